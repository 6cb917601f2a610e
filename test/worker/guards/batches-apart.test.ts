import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failed } from "../../../src/domain/image/stage-result.ts";
import { createBatchesApart } from "../../../src/worker/guards/batches-apart.ts";

const KNOWN_MAX = 10_000;

describe("batches apart", () => {
  const { failure } = failed("server_error");
  const batches = new Set(["broken"]);

  test("of more hosts than are known, the one that gave something longest ago is forgotten, and no other", () => {
    const apart = createBatchesApart();
    for (let index = 0; index < KNOWN_MAX; index += 1) apart.onGiven(`${index}.example`, "good", 0);
    for (const index of [0, KNOWN_MAX]) apart.onGiven(`${index}.example`, "good", 0);
    const parts = (index: number) => apart.takeApart(`${index}.example`, batches, failure, 0);
    assert.deepEqual([1, 0, 2, KNOWN_MAX].map(parts), [false, true, true, true]);
  });

  test("of more batches apart than are known, the one that failed longest ago is forgotten, and no other", () => {
    const apart = createBatchesApart();
    const part = (index: number) => {
      apart.onGiven(`${index}.example`, "good", 0);
      assert.ok(apart.takeApart(`${index}.example`, batches, failure, 0));
    };
    for (let index = 0; index < KNOWN_MAX; index += 1) part(index);
    assert.ok(apart.onFailed("0.example", "broken", failure, 60_000));
    part(KNOWN_MAX);
    const isApart = (index: number) => apart.find(`${index}.example`, "broken") !== undefined;
    assert.deepEqual([1, 0, 2, KNOWN_MAX].map(isApart), [false, true, true, true]);
  });
});
