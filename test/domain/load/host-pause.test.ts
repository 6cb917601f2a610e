import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  givenUpHost,
  PATIENCE_MS,
  returnDelayMs,
  strikePauseMs,
  STRIKES_MAX,
  triesEachBatch,
  whatHostDid,
} from "../../../src/domain/load/host-pause.ts";
import { IMAGE_CODES, type ImageCode } from "../../../src/domain/image/image-code.ts";
import { failed } from "../../../src/domain/image/stage-result.ts";

const did = (code: ImageCode, retryAfterMs?: number) =>
  whatHostDid(failed(code, "x", retryAfterMs === undefined ? {} : { retryAfterMs }).failure);

describe("a host's pause", () => {
  test("is what the host asks for, ten minutes at most", () => {
    assert.deepEqual(
      [did("rate_limited", 2_000), did("server_error", 5_000), did("rate_limited", 86_400_000), did("rate_limited")],
      [2_000, 5_000, 600_000, 2_000].map((pauseMs) => ({ kind: "asked", pauseMs, patienceMs: PATIENCE_MS })),
    );
  });

  test("is earned by failures of the host, not of one image, and not of ours", () => {
    const kinds = Object.groupBy(Object.keys(IMAGE_CODES) as ImageCode[], (code) => did(code).kind);
    assert.deepEqual(kinds.failed, ["dns_failed", "connect_failed", "tls_failed", "timed_out", "server_error"]);
    assert.deepEqual(kinds.unknown, ["address_blocked", "truncated", "storage_failed"]);
    assert.ok(kinds.answered?.includes("not_found") && kinds.answered.includes("too_large"));
  });

  test("depends on its other answers where it says 503 and no more", () => {
    const busy = failed("server_error", "x", { isBusy: true }).failure;
    assert.deepEqual(whatHostDid(busy), { kind: "busy" });
    assert.equal(whatHostDid({ ...busy, retryAfterMs: 5_000 }).kind, "asked");
  });

  test("doubles from 30 s to ten minutes; those before the last strike make a quarter of an hour", () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6, 60].map(strikePauseMs),
      [30, 60, 120, 240, 480, 600, 600].map((seconds) => seconds * 1_000),
    );
    const sumMs = Array.from({ length: STRIKES_MAX - 1 }, (_, index) => strikePauseMs(index + 1)).reduce((total, ms) => total + ms);
    assert.equal(sumMs, 15.5 * 60_000);
  });

  test("is for trials of each batch after the last strike, where the host did not ask for it", () => {
    const tries = (strikes: number, isAsked: boolean) => triesEachBatch({ strikes, isAsked });
    assert.deepEqual([tries(STRIKES_MAX, false), tries(STRIKES_MAX, true), tries(STRIKES_MAX - 1, false)], [true, false, false]);
  });

  test("gives images back one after the other, and never before its end", () => {
    const delayOf = (place: number, strikes = 0, random = 0) => returnDelayMs({ remainingMs: 2_000, place, strikes, random });
    assert.deepEqual([delayOf(0), delayOf(1), delayOf(2_000), delayOf(1_000_000)], [2_000, 2_005, 12_000, 32_000]);
    for (const random of [0, 0.5, 0.999])
      for (const place of [0, 1, 500])
        assert.ok(delayOf(place, 0, random) >= 2_000 && delayOf(place, 0, random) <= 2_000 + place * 5 + 1_000);
    assert.ok(delayOf(0, 1, 0.99) < 2_100, "one comes first and tries the host");
    assert.ok(delayOf(1, 1) >= 7_000, "the others give it time for an answer");
  });

  test("ends in failures that are not tried again, with the code of what the host did last", () => {
    const failure = givenUpHost("shop.example", "connect_failed");
    assert.deepEqual([failure.code, failure.retry], ["connect_failed", false]);
    assert.match(failure.detail, /shop\.example.*15 minutes/);
  });
});
