import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
import { createCollector } from "../../../src/worker/settle/collector.ts";

/** With time that stands still until it is told. */
function collect() {
  const portions: number[][] = [];
  const writing: (() => void)[] = [];
  let now = 1_000;
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(performance, "now", () => now);
  const collector = createCollector<number>({
    portionMax: 3,
    collectMs: 100,
    firstMs: 20,
    write: (items) => new Promise((resolve) => (portions.push([...items]), writing.push(resolve))),
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    portions,
    collector,
    async pass(ms: number) {
      now += ms;
      mock.timers.tick(ms);
      await settle();
    },
    async written() {
      writing.shift()?.();
      await settle();
    },
  };
}

describe("the collector", () => {
  test("lets the first item wait a little and the next ones longer, and says when each is written", async (t) => {
    t.after(() => mock.reset());
    const { portions, collector, pass, written } = collect();
    let isWritten = false;
    void collector.add(1).then(() => (isWritten = true));
    await pass(19);
    assert.deepEqual(portions, []);
    await pass(1);
    assert.deepEqual([portions, isWritten], [[[1]], false]);
    await written();
    assert.equal(isWritten, true);
    void collector.add(2);
    await pass(99);
    assert.deepEqual(portions, [[1]]);
    await pass(1);
    assert.deepEqual(portions, [[1], [2]]);
  });

  test("writes a full portion at once, one portion at a time, and what came meanwhile after it", async (t) => {
    t.after(() => mock.reset());
    const { portions, collector, pass, written } = collect();
    for (const item of [1, 2, 3]) void collector.add(item);
    await pass(0);
    assert.deepEqual(portions, [[1, 2, 3]]);
    for (const item of [4, 5, 6, 7]) void collector.add(item);
    await pass(50);
    assert.deepEqual(portions, [[1, 2, 3]], "the first is still being written");
    await written();
    assert.deepEqual(portions, [
      [1, 2, 3],
      [4, 5, 6],
    ]);
    await written();
    await pass(100);
    assert.deepEqual(portions.at(-1), [7]);
  });

  test("writes at once what waits when nothing more will come, and nothing where nothing waits", async (t) => {
    t.after(() => mock.reset());
    const { portions, collector, pass } = collect();
    collector.flush();
    await pass(200);
    assert.deepEqual(portions, []);
    void collector.add(1);
    collector.flush();
    await pass(0);
    assert.deepEqual(portions, [[1]]);
  });
});
