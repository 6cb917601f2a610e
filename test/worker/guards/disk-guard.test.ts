import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import type { Log } from "../../../src/observe/log.ts";
import { startDiskGuard } from "../../../src/worker/guards/disk-guard.ts";

const FILES = 2;
const RESERVE = 1_000;
const WAITS = "an image waits until the disk has room for it";
const IMAGE = { batchId: "018f", ordinal: 7 };

/** Looks when it is told to, beside the looks of its own. */
async function startGuard(t: TestContext, freeBytes: number, freeBytesMin = RESERVE) {
  let hanging: Promise<void> | null = null;
  const hang = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    hanging = promise.finally(() => (hanging = null));
    return resolve;
  };
  const disk = { freeBytes, nowMs: 0, isAway: false, looks: 0, said: [] as string[], hang };
  const say = (_: object, message: string) => void disk.said.push(message);
  const guard = await startDiskGuard({
    freeBytes: async () => {
      disk.looks += 1;
      await (hanging ?? setImmediate());
      if (disk.isAway) throw new Error("not mounted");
      return disk.freeBytes;
    },
    freeBytesMin,
    now: () => disk.nowMs,
    log: { info: say, warn: say, error: say } as unknown as Log,
  });
  t.after(guard.stop);
  const bring = (bytes: number) => {
    const begun = guard.begin(FILES);
    const isAdmitted = begun.onBody(bytes);
    begun.onEnd();
    return isAdmitted;
  };
  return { guard, disk, bring };
}

test("the first look has been when images are claimed", async (t) => {
  assert.equal((await startGuard(t, RESERVE + 1)).guard.claimMax(), Infinity, "before anything else has run");
  const { guard, disk } = await startGuard(t, RESERVE - 1);
  assert.equal(guard.claimMax(), 0);
  assert.deepEqual(disk.said, ["the disk is full, nothing new is claimed"]);
});

test("it is said when there is no room for another image as large as those before it, and when there is again", async (t) => {
  const { guard, disk, bring } = await startGuard(t, RESERVE + 1_000);
  assert.equal(bring(100), true);
  assert.equal(await guard.check(), true);
  assert.deepEqual(disk.said, []);
  disk.freeBytes = RESERVE + 199;
  assert.equal(await guard.check(), true, "the reserve is free: what fails now is no fault of a full disk");
  disk.freeBytes = RESERVE - 1;
  assert.equal(await guard.check(), false);
  disk.freeBytes = RESERVE + 200;
  await guard.check();
  disk.isAway = true;
  assert.equal(await guard.check(), false);
  assert.deepEqual(disk.said, [
    "the disk is full, nothing new is claimed",
    "the disk has room again, work goes on",
    "the disk cannot be written, nothing new is claimed",
  ]);
});

test("where there is room for one at most a job is tried, and after one that was given back none for five seconds", async (t) => {
  const { guard, disk, bring } = await startGuard(t, RESERVE + 199);
  assert.equal(bring(100), false);
  assert.equal(guard.claimMax(), 1);
  guard.retryMs(IMAGE);
  assert.equal(guard.claimMax(), 0);
  disk.nowMs = 4_999;
  assert.equal(guard.claimMax(), 0);
  disk.nowMs = 5_000;
  assert.equal(guard.claimMax(), 1);

  guard.retryMs(IMAGE);
  disk.freeBytes = RESERVE + 400;
  await guard.check();
  assert.equal(guard.claimMax(), 2, "there is room for two");
});

test("what is given back waits longer the longer there has been no room, up to ten minutes, and little where there was some", async (t) => {
  const { guard, disk } = await startGuard(t, RESERVE);
  assert.equal(guard.retryMs(IMAGE), 5_000);
  assert.equal(guard.retryMs(IMAGE), 5_000);
  const delays: number[] = [];
  for (disk.nowMs = 20_000; disk.nowMs <= 140_000; disk.nowMs += 40_000) delays.push(guard.retryMs(IMAGE));
  assert.deepEqual(delays, [5_000, 15_000, 25_000, 35_000]);
  for (; disk.nowMs <= 3_600_000; disk.nowMs += 600_000) guard.retryMs(IMAGE);
  assert.equal(guard.retryMs(IMAGE), 600_000);
  disk.nowMs += 1_199_999;
  assert.equal(guard.retryMs(IMAGE), 600_000);
  disk.nowMs += 1_200_000;
  assert.equal(guard.retryMs(IMAGE), 5_000);
});

test("an image that waits for room while others have some is told of every ten minutes of a want of room", async (t) => {
  const { guard, disk } = await startGuard(t, RESERVE);
  guard.retryMs(IMAGE);
  assert.deepEqual(disk.said.splice(0), ["the disk is full, nothing new is claimed"], "which says it all");
  disk.freeBytes = RESERVE + 1;
  await guard.check();
  for (disk.nowMs = 0; disk.nowMs < 1_800_000; disk.nowMs += 100_000) guard.retryMs(IMAGE);
  assert.deepEqual(disk.said, ["the disk has room again, work goes on", WAITS, WAITS, WAITS]);
});

test("where the system has no room though the disk shows some, nothing is claimed for as long as the image waits, at most a minute", async (t) => {
  const { guard, disk } = await startGuard(t, RESERVE + 1_000);
  const holds: number[][] = [];
  for (disk.nowMs = 0; disk.nowMs <= 900_000; disk.nowMs += 300_000) {
    const delayMs = guard.refusedMs(IMAGE, "EDQUOT");
    const refusedAt = disk.nowMs;
    while (guard.claimMax() === 0) disk.nowMs += 5_000;
    holds.push([delayMs, disk.nowMs - refusedAt]);
    disk.nowMs = refusedAt;
  }
  assert.deepEqual(holds, [
    [5_000, 5_000],
    [75_000, 60_000],
    [150_000, 60_000],
    [225_000, 60_000],
  ]);

  guard.refusedMs(IMAGE, "EDQUOT");
  disk.nowMs += 10_000;
  assert.equal(guard.claimMax(), 0);
  disk.nowMs += 60_000;
  assert.equal(guard.claimMax(), 1, "hundreds may be due, and none find room");
  guard.onStored();
  assert.equal(guard.claimMax(), Infinity, "another had room");
  assert.deepEqual(disk.said, [WAITS, WAITS, WAITS]);
});

test("a disk that is away is no free reserve, where none is asked for either", async (t) => {
  const { guard, disk } = await startGuard(t, 5, 0);
  assert.equal(await guard.check(), true);
  disk.isAway = true;
  assert.equal(await guard.check(), false);
});

test("what fails while the disk is being looked at is judged by a look that begins after it, one for all", async (t) => {
  const { guard, disk } = await startGuard(t, RESERVE + 1);
  const before = disk.looks;
  const answer = disk.hang();
  const first = guard.check();
  const later = [guard.check(), guard.check()];
  assert.equal(disk.looks, before + 1);
  answer();
  assert.equal(await first, true);
  disk.isAway = true;
  assert.deepEqual(await Promise.all(later), [false, false]);
  assert.equal(disk.looks, before + 2);
});

test("what failed while the disk was away is not judged by a look at one that has just come back", async (t) => {
  const { guard, disk } = await startGuard(t, RESERVE + 1);
  disk.isAway = true;
  assert.equal(await guard.check(), false);
  disk.isAway = false;
  disk.nowMs = 4_999;
  assert.equal(await guard.check(), false);
  assert.equal(guard.claimMax(), Infinity, "others are claimed");
  disk.nowMs = 5_000;
  assert.equal(await guard.check(), true);
});

test("a disk that does not answer is asked once, and counts as one that cannot be written after ten seconds", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
  const { guard, disk } = await startGuard(t, RESERVE + 1);
  const answer = disk.hang();
  const before = disk.looks;
  for (let second = 0; second < 9; second += 1) t.mock.timers.tick(1_000);
  await setImmediate();
  assert.equal(guard.claimMax(), Infinity);
  t.mock.timers.tick(2_000);
  await setImmediate();
  assert.equal(guard.claimMax(), 0);
  assert.deepEqual(disk.said, ["the disk cannot be written, nothing new is claimed"]);
  assert.equal(disk.looks, before + 1, "each look takes a thread until it is answered");

  answer();
  await setImmediate();
  assert.equal(guard.claimMax(), Infinity);
  assert.deepEqual(disk.said.slice(1), ["the disk has room again, work goes on"]);
});
