import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createFairTurns } from "../../src/domain/fair-turns.ts";

describe("turns at the encoders", () => {
  const serve = (waiting: { batchId: string; turn: number }[], onServed: (turn: number) => void) => {
    const [next] = waiting.toSorted((one, other) => one.turn - other.turn);
    assert.ok(next);
    waiting.splice(waiting.indexOf(next), 1);
    onServed(next.turn);
    return next.batchId;
  };

  test("a batch that comes while many images of another wait is served every other time", () => {
    const turns = createFairTurns();
    const waiting = Array.from({ length: 100 }, () => ({ batchId: "large", turn: turns.take("large") }));
    for (let count = 0; count < 10; count += 1) assert.equal(serve(waiting, turns.onServed), "large");
    waiting.push(...Array.from({ length: 10 }, () => ({ batchId: "next", turn: turns.take("next") })));
    const served = Array.from({ length: 20 }, () => serve(waiting, turns.onServed));
    assert.equal(served.filter((batchId) => batchId === "next").length, 10);
    assert.equal(serve(waiting, turns.onServed), "large");
  });

  test("a batch that was away gets no turns for it", () => {
    const turns = createFairTurns();
    turns.onServed(turns.take("away"));
    for (let count = 0; count < 50; count += 1) turns.onServed(turns.take("other"));
    assert.equal(turns.take("away"), turns.take("other"));
  });
});
