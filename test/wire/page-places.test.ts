import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { ProblemError } from "../../src/http/problems.ts";
import { createPagePlaces } from "../../src/wire/page-places.ts";

describe("places for pages of products", () => {
  /** Reads that end by themselves never; `begun` says of which batches they are. */
  const open = (poolMax: number) => {
    const places = createPagePlaces({ poolMax });
    const begun: string[] = [];
    const ends: (() => void)[] = [];
    const read = (batch: string) => () => {
      begun.push(batch);
      return new Promise<string>((resolve) => ends.push(() => resolve(batch)));
    };
    return { places, begun, ends, read };
  };

  test("are a quarter of the pool, of which one batch leaves one to the others", async () => {
    const { places, begun, read } = open(16);
    for (let poll = 0; poll < 100; poll += 1) void places.once("a", read("a"));
    void places.once("b", read("b"));
    void places.once("c", read("c"));
    await setImmediate();
    assert.deepEqual(begun, ["a", "a", "a", "b"]);
  });

  test("are one where there are few connections, and go from batch to batch", async () => {
    const { places, begun, ends, read } = open(4);
    for (const batch of ["a", "a", "a", "b"]) void places.once(batch, read(batch));
    for (let next = 0; next < 4; next += 1) {
      await setImmediate();
      assert.equal(begun.length, next + 1);
      ends[next]?.();
    }
    assert.deepEqual(begun, ["a", "b", "a", "a"]);
  });

  test("are waited for five seconds, and by an answer that has begun for as long as it takes", async (t) => {
    const { places, ends, read } = open(4);
    const inPlace = places.pageByPage("b");
    assert.equal(await inPlace(async () => "its first page"), "its first page");
    const reading = places.once("a", read("a"));
    const expire = new AbortController();
    t.mock.method(AbortSignal, "timeout", (ms: number) => {
      assert.equal(ms, 5_000);
      return expire.signal;
    });
    const poll = places.once("c", read("c"));
    const beginning = places.pageByPage("d")(read("d"));
    const next = inPlace(async () => "its next page");
    expire.abort(new Error("too long"));
    for (const refused of [poll, beginning])
      await assert.rejects(refused, (error: ProblemError) => error.problem === "unavailable" && error.headers["retry-after"] === "5");
    ends[0]?.();
    assert.deepEqual(await Promise.all([reading, next]), ["a", "its next page"]);
  });

  test("are not waited for by who has gone", async () => {
    const { places, begun, ends, read } = open(4);
    const reading = places.once("a", read("a"));
    const gone = new AbortController();
    const left = places.once("b", read("b"), gone.signal);
    gone.abort(new Error("gone"));
    await assert.rejects(left, /gone/);
    ends[0]?.();
    await reading;
    assert.equal(await places.once("b", async () => "another"), "another");
    assert.deepEqual(begun, ["a"]);
  });
});
