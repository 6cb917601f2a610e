import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { createGate, NEVER, runInside } from "../../../src/domain/load/gate.ts";

describe("a gate", () => {
  test("lets so many in at once and nobody is left outside", async () => {
    const gate = createGate(() => 3);
    let running = 0;
    let most = 0;
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        runInside(gate, async () => {
          running += 1;
          most = Math.max(most, running);
          await setImmediate();
          running -= 1;
          if (index % 4 === 0) throw new Error("no");
          return index;
        }),
      ),
    );
    assert.equal(most, 3);
    assert.equal(results.filter(({ status }) => status === "rejected").length, 5);
    assert.equal(gate.inside, 0);
  });

  test("lets those in who wait in their order, but for who is called off meanwhile", async () => {
    const gate = createGate(() => 1);
    const work = Promise.withResolvers<void>();
    const done: string[] = [];
    const enter = (name: string, signal?: AbortSignal) => runInside(gate, () => work.promise.then(() => void done.push(name)), signal);
    const abort = new AbortController();
    const entered = [enter("first"), enter("second")];
    const third = enter("third", abort.signal);
    entered.push(enter("fourth"));
    abort.abort(new Error("called off"));
    await assert.rejects(third, /called off/, "at once, with the first still at work");
    work.resolve();
    await Promise.all(entered);
    assert.deepEqual(done, ["first", "second", "fourth"]);
  });

  describe("whose room is awaited by two batches", () => {
    const startGate = (first: number) => {
      let limit = first;
      const gate = createGate(() => limit);
      const entered: string[] = [];
      const come = (batchId: string, names: string[], signal = NEVER) =>
        names.map((name) => (gate.enter(signal, batchId) ?? Promise.resolve()).then(() => void entered.push(name)));
      /** Those that are let in as so many leave, or as the limit is another. */
      const letIn = async (leave: number, to = limit) => {
        limit = to;
        const before = entered.length;
        for (let left = 0; left < leave; left += 1) gate.leave();
        await setImmediate();
        return entered.slice(before);
      };
      return { gate, come, letIn };
    };
    const named = (batch: string, from: number, to: number) => Array.from({ length: to - from }, (_, index) => `${batch}${from + index}`);

    test("a small one that comes late is not behind all of a large one, and each keeps its order", async () => {
      const { come, letIn } = startGate(2);
      come("large", named("a", 0, 1_000));
      await letIn(0);
      come("small", named("b", 0, 3));
      assert.deepEqual(await letIn(2), ["a2", "b0"]);
      assert.deepEqual(await letIn(4), ["a3", "b1", "a4", "b2"], "two of the small one are inside and leave like the others");
      come("small", named("b", 3, 4));
      assert.deepEqual(await letIn(3), ["a5", "b3", "a6"]);
    });

    test("those that came last are turned away, of the batch of which the most wait at that time, and the others keep their turns", async () => {
      const { gate, come, letIn } = startGate(1);
      const abort = new AbortController();
      const large = come("large", named("a", 0, 6), abort.signal);
      const small = come("small", named("b", 0, 3));
      const patient = gate.enter(NEVER, "patient", true);
      await letIn(0);
      for (const none of [0, -1, -Infinity]) gate.turnAway(none, () => assert.fail("nobody"));
      let count = 0;
      gate.turnAway(5, () => new Error(`turned away ${(count += 1)}`));
      assert.equal(gate.waiting, 4);
      for (const [index, one] of [large[5], large[4], large[3], small[2], large[2]].entries())
        await assert.rejects(one ?? assert.fail(), new RegExp(`turned away ${index + 1}$`), "from five and three to one and two");
      assert.deepEqual(await letIn(2), ["a1", "b0"]);
      gate.turnAway(10, () => new Error("all but who is patient"));
      await assert.rejects(small[1] ?? assert.fail(), /all but/);
      gate.leave();
      await patient;
      abort.abort(new Error("called off too late"));
      assert.deepEqual([gate.inside, gate.waiting], [1, 0]);
    });

    test("those that belong to none share their turns", async () => {
      const { gate, come, letIn } = startGate(1);
      come("large", named("a", 0, 4));
      const others: number[] = [];
      for (let other = 0; other < 3; other += 1) void gate.enter(NEVER)?.then(() => others.push(other));
      await letIn(0);
      assert.deepEqual(
        [await letIn(4), others],
        [
          ["a1", "a2"],
          [0, 1],
        ],
      );
    });

    test("who is called off takes nobody's turn, the last of its batch included", async () => {
      const { gate, come, letIn } = startGate(1);
      const [one, all] = [new AbortController(), new AbortController()];
      const called = [...come("small", ["b0"]), ...come("large", named("a", 0, 2)), ...come("gone", named("c", 0, 2), all.signal)];
      called.push(...come("small", ["b1"], one.signal), ...come("small", ["b2"]));
      const settled = Promise.allSettled(called);
      await letIn(0);
      one.abort(new Error("called off"));
      all.abort(new Error("called off"));
      assert.deepEqual(await letIn(1), ["a0"]);
      assert.deepEqual(await letIn(2), ["b2", "a1"]);
      assert.deepEqual([gate.inside, gate.waiting], [1, 0]);
      assert.equal((await settled).filter(({ status }) => status === "rejected").length, 3);
    });

    test("a limit that moves lets in as many more by turns, or nobody", async () => {
      const { gate, come, letIn } = startGate(2);
      come("large", named("a", 0, 20));
      come("small", named("b", 0, 4));
      await letIn(0);
      assert.deepEqual(await letIn(1, 4), ["a2", "b0", "a3"]);
      assert.deepEqual(await letIn(3, 1), []);
      assert.deepEqual(await letIn(1, 2.5), ["b1", "a4"]);
      assert.deepEqual([gate.inside, gate.waiting], [2, 17]);
    });
  });
});
