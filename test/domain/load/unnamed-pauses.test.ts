import assert from "node:assert/strict";
import { test } from "node:test";
import { createUnnamedPauses } from "../../../src/domain/load/unnamed-pauses.ts";

const HOST = "shop.example";

test("a pause for which a host names no time is half of the last where it gave something since, and twice that where it gave nothing", () => {
  const pauses = createUnnamedPauses();
  const next = (hasGiven: boolean) => {
    if (hasGiven) pauses.onGiven(HOST);
    return pauses.next(HOST, false);
  };
  pauses.onGiven(HOST);
  assert.deepEqual([false, true, true, true, true].map(next), [2_000, 1_000, 500, 250, 250]);
  assert.deepEqual([false, false, false, false, true].map(next), [500, 1_000, 2_000, 2_000, 1_000]);
  assert.equal(pauses.next("other.example", false), 2_000);
});

test("what was asked for before a pause says no more of it", () => {
  const pauses = createUnnamedPauses();
  assert.deepEqual(
    [false, true, true].map((isPaused) => pauses.next(HOST, isPaused)),
    [2_000, 2_000, 2_000],
  );
  pauses.onGiven(HOST);
  assert.deepEqual([pauses.next(HOST, true), pauses.next(HOST, false), pauses.next(HOST, true)], [2_000, 1_000, 1_000]);
});
