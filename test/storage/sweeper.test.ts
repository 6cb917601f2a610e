import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";
import { startSweeper } from "../../src/storage/sweeper.ts";

test("a sweep that fails is said once until one succeeds, and the next comes all the same", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const fails = [true, true, false, true, false];
  const said: object[] = [];
  let sweeps = 0;
  const sweep = async () => {
    if (fails[sweeps++]) throw new Error(`away ${sweeps}`);
  };
  const sweeper = await startSweeper({ sweep, log: { warn: (facts) => said.push(facts) } });
  assert.equal(sweeps, 1, "at once");
  for (let minute = 2; minute <= fails.length; minute += 1) {
    t.mock.timers.tick(60_000);
    await turn();
    assert.equal(sweeps, minute);
  }
  assert.deepEqual(said, [{ err: new Error("away 1") }, { err: new Error("away 4") }]);
  await sweeper.stop();
  t.mock.timers.tick(600_000);
  assert.equal(sweeps, fails.length);
});

test("while a sweep hangs no other begins, and the stop waits for it", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const hanging = Promise.withResolvers<void>();
  let sweeps = 0;
  const sweeper = await startSweeper({ sweep: async () => (++sweeps === 2 ? hanging.promise : undefined), log: { warn: assert.fail } });
  t.mock.timers.tick(600_000);
  assert.equal(sweeps, 2);
  let isStopped = false;
  const stopping = sweeper.stop().then(() => (isStopped = true));
  await turn();
  assert.equal(isStopped, false);
  hanging.resolve();
  await stopping;
});

test("a sweep that never ends does not hold up the stop for ever", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
  const hanging = Promise.withResolvers<void>();
  let sweeps = 0;
  const sweeper = await startSweeper({ sweep: async () => (++sweeps === 2 ? hanging.promise : undefined), log: { warn: assert.fail } });
  t.mock.timers.tick(60_000);
  let told: unknown = null;
  sweeper.stop().catch((error: unknown) => (told = error));
  t.mock.timers.tick(10_000);
  await turn();
  assert.deepEqual(told, new Error("the disk has not answered for 10 seconds"));
});
