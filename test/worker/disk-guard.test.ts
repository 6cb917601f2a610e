import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "../../src/observe/log.ts";
import { startDiskGuard } from "../../src/worker/disk-guard.ts";

const FILES = 2;

/** Looks when it is told to, beside the looks of its own. */
async function startGuard(freeBytes: number) {
  const disk = { freeBytes };
  const guard = startDiskGuard({
    freeBytes: async () => disk.freeBytes,
    freeBytesMin: 1_000,
    bytesMax: 500,
    log: createLog("silent"),
  });
  await guard.check();
  return { guard, disk };
}

test("images wait for room in the order in which they came, and nothing is claimed meanwhile", async (t) => {
  const { guard, disk } = await startGuard(2_000);
  t.after(guard.stop);
  const { signal } = new AbortController();
  const first = await guard.begin(FILES, signal);
  assert.equal(guard.hasRoom, true);
  const entered: string[] = [];
  const enter = async (name: string, files: number) => {
    const begun = await guard.begin(files, signal);
    entered.push(name);
    return begun;
  };
  const [second, third] = [enter("second", FILES), enter("third", 1)];
  assert.equal(guard.hasRoom, false);
  assert.equal(await guard.check(), true, "those in hand may leave room");
  assert.deepEqual(entered, []);

  first.onBody(300);
  first.onEnd();
  disk.freeBytes = 1_400;
  assert.equal(await guard.check(), false, "nothing is in hand, and there is no room for one");
  disk.freeBytes = 1_600;
  assert.equal(await guard.check(), true);
  await second;
  assert.deepEqual(entered, ["second"]);
  (await second).onBody(100);
  await third;
  assert.equal(guard.hasRoom, true);
});

test("an image that is called off waits no longer", async (t) => {
  const { guard, disk } = await startGuard(1_000);
  t.after(guard.stop);
  const abort = new AbortController();
  const waiting = guard.begin(FILES, abort.signal);
  abort.abort(new Error("called off"));
  await assert.rejects(waiting, /called off/);
  await assert.rejects(guard.begin(FILES, abort.signal), /called off/);
  assert.equal(guard.hasRoom, true);
  disk.freeBytes = 5_000;
  await guard.check();
  await guard.begin(FILES, new AbortController().signal);
});
