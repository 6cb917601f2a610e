import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createGate, runInside } from "../../src/domain/gate.ts";

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
          await new Promise((resolve) => setImmediate(resolve));
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
});
