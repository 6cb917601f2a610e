import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createFairTurns } from "../../../src/domain/load/fair-turns.ts";

describe("turns at the encoders", () => {
  const startTurns = () => {
    const inTurn = createFairTurns();
    const waiting: { batchId: string; turn: number; end: () => void; fail: (error: Error) => void }[] = [];
    const wait = (batchId: string, count: number, weight?: number) => {
      for (let index = 0; index < count; index += 1) {
        const { promise, resolve: end, reject: fail } = Promise.withResolvers<void>();
        inTurn(batchId, (turn) => (waiting.push({ batchId, turn, end, fail }), promise), weight).catch(() => {});
      }
    };
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    const serve = async (count: number) => {
      const served: string[] = [];
      for (let index = 0; index < count; index += 1) {
        const [next] = waiting.toSorted((one, other) => one.turn - other.turn);
        assert.ok(next);
        waiting.splice(waiting.indexOf(next), 1);
        next.end();
        await settled();
        served.push(next.batchId);
      }
      return served;
    };
    const callOff = async (batchId: string) => {
      for (const one of waiting.filter((each) => each.batchId === batchId)) {
        waiting.splice(waiting.indexOf(one), 1);
        one.fail(new Error("called off"));
      }
      await settled();
    };
    return { wait, serve, callOff };
  };
  const of = (served: string[], batchId: string) => served.filter((each) => each === batchId).length;

  test("a batch that comes while many images of another wait is served every other time", async () => {
    const { wait, serve } = startTurns();
    wait("large", 100);
    assert.equal(of(await serve(10), "large"), 10);
    wait("next", 10);
    assert.equal(of(await serve(20), "next"), 10);
    assert.deepEqual(await serve(1), ["large"]);
  });

  test("what has more weight is served as many times more, from its first image on, and leaves others the rest", async () => {
    const { wait, serve } = startTurns();
    wait("large", 100);
    await serve(10);
    wait("heavy", 100, 4);
    assert.deepEqual(await serve(3), ["heavy", "heavy", "heavy"]);
    assert.equal(of(await serve(50), "large"), 10);
  });

  test("a batch that was away gets no turns for it", async () => {
    const { wait, serve } = startTurns();
    wait("away", 1);
    wait("other", 50);
    await serve(51);
    wait("away", 5);
    wait("other", 5);
    assert.equal(of(await serve(4), "away"), 2);
  });

  test("a batch whose images are called off, as by a pause, is not behind all others when it goes on", async () => {
    const { wait, serve, callOff } = startTurns();
    wait("paused", 500);
    wait("other", 100);
    await serve(20);
    await callOff("paused");
    wait("paused", 10);
    assert.equal(of(await serve(20), "paused"), 10);
  });
});
