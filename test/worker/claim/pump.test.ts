import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClaimedImage } from "../../../src/db/claimed-images.ts";
import type { Tx } from "../../../src/db/connection/connect.ts";
import type { Claim, Touched } from "../../../src/queue/image-jobs.ts";
import { LostClaim, Stopping } from "../../../src/worker/claim/images-in-hand.ts";
import { Pump, type Lease } from "../../../src/worker/claim/pump.ts";
import { onCleanup } from "../../support/cleanup.ts";
import { eventually } from "../../support/eventually.ts";

type Touch = (claims: readonly Claim[]) => Promise<Touched>;
const idsOf = (claims: readonly Claim[]) => new Set(claims.map(({ id }) => id));
const touched = (alive: readonly Claim[], locked: readonly Claim[] = []): Touched => ({ alive: idsOf(alive), locked: idsOf(locked) });
type Work = { claim: Claim; lease: Lease; end: () => void };

/** The pump's own rules; what a claim is worth to the database is tested with the queue. */
function startPump(
  pages: Claim[][],
  {
    touch = async (claims) => touched(claims),
    isPaused = () => false,
    isSmall = () => false,
    isHeldUp = () => false,
    commit = async () => {},
    claimMax = () => Infinity,
    atEnd = { isPlanned: () => false, size: 4, onTheirWayMax: 4 },
    waitingForHost = () => 0,
  }: {
    touch?: Touch;
    isPaused?: (batchId: string) => boolean;
    isSmall?: (batchId: string) => boolean;
    isHeldUp?: (batchId: string) => boolean;
    commit?: () => Promise<void>;
    claimMax?: () => number;
    atEnd?: { isPlanned: (batchId: string) => boolean; size: number; onTheirWayMax: number };
    waitingForHost?: () => number;
  } = {},
) {
  const works: Work[] = [];
  const window = { size: 4, sizeAtEnd: atEnd.size };
  const limits: number[] = [];
  const allWorked: string[] = [];
  const untried: string[] = [];
  const rows = (keys: { batchId: string; ordinal: number }[]) =>
    keys.map((key) => ({ ...key, url: "https://shop.test/a.jpg", isHeld: false }) as unknown as ClaimedImage);
  const client = {
    query: async ({ values: [batchIds, ordinals] }: { values: [string[], number[]?] }) => ({
      rows: ordinals
        ? rows(batchIds.map((batchId, index) => ({ batchId, ordinal: ordinals[index] ?? 0 })))
        : batchIds.map((batchId) => ({
            batchId,
            recipe: {},
            isPending: false,
            isPaused: isPaused(batchId),
            isSmall: isSmall(batchId),
            isPlanned: atEnd.isPlanned(batchId),
          })),
    }),
  };
  const pump = new Pump({
    queue: {
      claimImages: async (_tx, limit) => {
        limits.push(limit);
        const claims = pages.shift() ?? [];
        return { claims, isDrained: claims.length < limit };
      },
      touch: (_tx, claims) => touch(claims),
    },
    transaction: async (work) => {
      const result = await work({ client } as unknown as Tx);
      await commit();
      return result;
    },
    window,
    onTheirWayMax: () => atEnd.onTheirWayMax,
    startBatches: async () => {},
    work: (claim, _image, lease) =>
      new Promise((resolve) => {
        works.push({ claim, lease, end: resolve });
        lease.signal.addEventListener("abort", () => resolve());
      }),
    onAllWorked: (which) => void allWorked.push(which),
    isHeldUp,
    heldUp: () => 0,
    endUntried: async ({ claim: { id }, outcome: { kind } }) => void untried.push(`${id}: ${kind}`),
    waitingForHost,
    claimMax,
    onError: assert.fail,
  });
  // Where a test fails it has not drained its pump, which would go on.
  onCleanup(() => pump.drain(0));
  return { pump, works, limits, allWorked, untried, window };
}

const claimOf = (id: string, retryCount = 0, batchId = "b") =>
  ({ id, retryCount, data: { batchId, ordinal: 0 }, priority: 0 }) as unknown as Claim;

const page = (batchId: string, from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => claimOf(`${batchId}-${from + index}`, 0, batchId));

/** Less than a millisecond: whatever does not wait for a timer has happened after these. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe("the pump", () => {
  test("fetched once more, a claim's first work is broken off and its second is seen to its end", async () => {
    const { pump, works } = startPump([[claimOf("x")], [claimOf("x", 1)]]);
    await eventually("the first", async () => works.length === 1);
    pump.wake();
    await eventually("the second", async () => works.length === 2);
    assert.ok(works[0]?.lease.signal.reason instanceof LostClaim);
    assert.equal(works[1]?.lease.signal.aborted, false);
    works[1]?.lease.onFetched();
    let hasDrained = false;
    const draining = pump.drain(10_000).then(() => (hasDrained = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(hasDrained, false);
    works[1]?.end();
    await draining;
  });

  test("of a batch whose outcomes are held up an image is put off, and of others it is worked", async () => {
    const { pump, works, untried } = startPump([[claimOf("x", 0, "locked"), claimOf("y", 0, "other")]], {
      isHeldUp: (batchId) => batchId === "locked",
    });
    await eventually("the other", async () => works.length === 1);
    assert.deepEqual([untried, works[0]?.claim.id], [["x: release"], "y"]);
    works[0]?.end();
    await pump.drain(1_000);
  });

  test("a stop gives back what is still being fetched and waits for the rest", async () => {
    const { pump, works } = startPump([[claimOf("fetching"), claimOf("encoding")]]);
    await eventually("both", async () => works.length === 2);
    works[1]?.lease.onFetched();
    const draining = pump.drain(10_000);
    await eventually("the first to be given back", async () => works[0]?.lease.signal.aborted);
    assert.ok(works[0]?.lease.signal.reason instanceof Stopping);
    assert.equal(works[1]?.lease.signal.aborted, false);
    works[1]?.end();
    await draining;
  });

  test("a full window has room for the first images of a batch that begins, and only then", async () => {
    const first = ["a", "b", "c", "d"].map((id) => claimOf(id));
    const news = Array.from({ length: 4 }, (_, page) => Array.from({ length: 20 }, (_, index) => claimOf(`new ${page}-${index}`)));
    const { pump, works, limits } = startPump([first, ...news]);
    await eventually("the window to be full", async () => works.length === 4);
    pump.wake();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(limits, [4]);
    for (const count of [24, 44, 64]) {
      pump.wakeForNewBatch();
      await eventually("the first of the new batch", async () => works.length === count);
    }
    pump.wakeForNewBatch();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(limits, [4, 20, 20, 20], "sixty beside the window are enough");
    for (const { end } of works) end();
    await pump.drain(1_000);
  });

  test("batches that begin while there is no room for both wait for it, and not for more", async () => {
    const first = ["a", "b", "c", "d"].map((id) => claimOf(id));
    const { pump, works, limits } = startPump([first, page("x", 0, 20), page("x", 20, 40), page("y", 0, 20), page("z", 0, 20)]);
    await eventually("the window to be full", async () => works.length === 4);
    for (let index = 0; index < 4; index += 1) pump.wakeForNewBatch();
    await turns();
    assert.equal(works.length, 64, "as many as may be beside the window, at once");
    for (const { end } of works.slice(0, 19)) end();
    await turns();
    assert.deepEqual(limits, [4, 20, 20, 20]);
    works[19]?.end();
    await turns();
    assert.equal(works.length, 84);
    for (const { end } of works.slice(20, 60)) end();
    await turns();
    assert.deepEqual(limits, [4, 20, 20, 20, 20], "a full window claims for nothing else");
    for (const { end } of works) end();
    await pump.drain(1_000);
  });

  test("of any number of batches that have begun nobody is asked for again and again", async () => {
    const { pump, limits } = startPump([], { claimMax: () => 1 });
    await turns();
    for (let index = 0; index < 1_000; index += 1) pump.wakeForNewBatch();
    for (let wait = 0; wait < 50; wait += 1) await turns();
    assert.ok(limits.length <= 20, `${limits.length} claims`);
    await pump.drain(1_000);
  });

  test("a batch that begins while others are being claimed is claimed next", async () => {
    const claimed = Promise.withResolvers<void>();
    const atEnd = { isPlanned: () => true, size: 200, onTheirWayMax: 1_000 };
    const pages = [page("last", 0, 100), page("last", 100, 200), page("new", 0, 20)];
    const commit = async () => (pages.length === 1 ? claimed.promise : undefined);
    const { pump, works, limits } = startPump(pages, { atEnd, commit });
    await eventually("the first", async () => works.length === 100);
    pump.wake();
    await turns();
    pump.wakeForNewBatch();
    claimed.resolve();
    await turns();
    assert.deepEqual(limits, [4, 100, 20]);
    for (const { end } of works) end();
    await pump.drain(1_000);
  });

  test("tells when all of small batches has been worked, and when everything has", async () => {
    const { pump, works, allWorked } = startPump([[claimOf("a"), claimOf("s", 0, "small"), claimOf("t", 0, "small"), claimOf("b")]], {
      isSmall: (batchId) => batchId === "small",
    });
    await eventually("all four", async () => works.length === 4);
    const told = works.map(({ lease }) => (lease.onWorked(), [...allWorked]));
    assert.deepEqual(told, [[], [], ["small"], ["small", "all"]]);
    for (const { end } of works) end();
    await pump.drain(1_000);
  });

  test("what was claimed ahead at the end takes no room from a batch that begins after it, however much of it is to come", async () => {
    const atEnd = { isPlanned: (batchId: string) => batchId === "last", size: 110, onTheirWayMax: 1_000 };
    const pages = [page("last", 0, 100), page("last", 100, 110), page("more", 0, 1), page("more", 1, 5)];
    const { pump, works, limits } = startPump(pages, { atEnd });
    await eventually("so many that it is the end", async () => works.length === 100);
    pump.wake();
    await eventually("as many as are in hand at the end", async () => works.length === 110);
    pump.wakeForNewBatch();
    await eventually("the first of the batch that begins", async () => works.length === 111);
    for (const { end } of works.slice(0, 100)) end();
    await eventually("more of it", async () => works.length === 115);
    assert.deepEqual(limits, [4, 10, 20, 4]);
    for (const { end } of works) end();
    await pump.drain(1_000);
  });

  test("however many were claimed ahead, a batch that begins at the end has its first images, and a stream of them no more than sixty", async () => {
    const atEnd = { isPlanned: () => true, size: 300, onTheirWayMax: 1_000 };
    const news = Array.from({ length: 4 }, (_, index) => page(`new ${index}`, 0, 20));
    const { pump, works, limits, window } = startPump([page("last", 0, 100), page("last", 100, 300), ...news], { atEnd });
    await eventually("so many that it is the end", async () => works.length === 100);
    pump.wake();
    await eventually("as many as are in hand at the end", async () => works.length === 300);
    // Their first have shown that they are slow to encode.
    window.sizeAtEnd = 4;
    for (const { end } of works.slice(0, 100)) end();
    for (let index = 0; index < 4; index += 1) {
      pump.wakeForNewBatch();
      await turns();
    }
    assert.deepEqual(limits, [4, 200, 20, 20, 20], "sixty beside the window are enough");
    for (const { end } of works.slice(300, 320)) end();
    await turns();
    assert.deepEqual(limits, [4, 200, 20, 20, 20, 20], "the next once there is room for it, and nothing else");
    for (const { end } of works) end();
    await pump.drain(1_000);
  });

  test("what waited for a slow host and has come takes no room from batches that begin, and a stream of them no more than sixty", async () => {
    const atEnd = { isPlanned: () => false, size: 4, onTheirWayMax: 1_000 };
    const news = Array.from({ length: 4 }, (_, index) => page(`new ${index}`, 0, 20));
    let waiting = 0;
    const pages = [page("slow", 0, 4), page("slow", 4, 104), ...news];
    const { pump, works, limits } = startPump(pages, { atEnd, waitingForHost: () => waiting });
    await eventually("the window to be full", async () => works.length === 4);
    waiting = 4;
    pump.wake();
    await eventually("others beside those that wait", async () => works.length === 104);
    waiting = 0;
    for (const { lease } of works) lease.onFetched();
    for (let index = 0; index < 4; index += 1) {
      pump.wakeForNewBatch();
      await turns();
    }
    assert.deepEqual(limits, [4, 4, 20, 20, 20], "sixty beside the window are enough");
    for (const { end } of works.slice(4, 104)) end();
    await turns();
    assert.deepEqual(limits, [4, 4, 20, 20, 20], "they had no room in the window");
    for (const { end } of works.slice(104, 124)) end();
    await turns();
    assert.deepEqual(limits, [4, 4, 20, 20, 20, 20]);
    for (const { end } of works) end();
    await pump.drain(1_000);
  });

  test("at the end images are claimed further ahead, but no more than can be asked for at once; before it they are not", async () => {
    const atEnd = { isPlanned: (batchId: string) => batchId === "last", size: 200, onTheirWayMax: 200 };
    const pages = [page("more", 0, 4), page("last", 0, 99), page("last", 99, 100), page("last", 100, 246)];
    const { pump, works, limits } = startPump(pages, { atEnd });
    await eventually("the window to be full", async () => works.length === 4);
    pump.wake();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(limits, [4], "there is more to come");
    works[0]?.end();
    await eventually("99 of the last", async () => works.length === 103);
    pump.wake();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(limits, [4, 1], "they may be one batch's share of what waits");
    for (const { end } of works.slice(1, 100)) end();
    await eventually("as many as three quarters of what may be on its way", async () => works.length === 250);
    assert.deepEqual(limits, [4, 1, 1, 146]);
    pump.wake();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(limits, [4, 1, 1, 146], "no more, though its window has room");
    for (const { end } of works) end();
    await pump.drain(1_000);
  });

  test("a job that comes while the queue is being asked is not slept through", async () => {
    const pages: Claim[][] = [[]];
    const { pump, works } = startPump(pages);
    pages.push([claimOf("late")]);
    pump.wake();
    const startedAt = performance.now();
    await eventually("the late one", async () => works.length === 1);
    assert.ok(performance.now() - startedAt < 500);
    works[0]?.end();
    await pump.drain(1_000);
  });

  describe("whose batches are paused", { concurrency: true }, () => {
    test("what was being claimed as its batch was paused is given back as well, whether something else of it was in hand or not", async () => {
      const pauseDuringClaim = async (inHand: Claim[]) => {
        let isPaused = false;
        let commit = async () => {};
        const pages = [inHand];
        const { pump, works, limits } = startPump(pages, { isPaused: () => isPaused, commit: () => commit() });
        await eventually("what is in hand", async () => limits.length === 1 && works.length === inHand.length);
        const [read, committed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        commit = () => {
          read.resolve();
          return committed.promise;
        };
        pages.push([claimOf("late")]);
        pump.wake();
        await read.promise;
        commit = async () => {};
        isPaused = true;
        pump.giveBackPaused();
        await eventually("the first look", async () => works.every(({ lease }) => lease.signal.aborted));
        committed.resolve();
        const late = await eventually("the late one", async () => works[inHand.length]);
        await eventually("it to be given back", async () => late.lease.signal.aborted, 10_000);
        await pump.drain(1_000);
      };
      await Promise.all([pauseDuringClaim([]), pauseDuringClaim([claimOf("waiting")])]);
    });

    test("what is asked for of a batch that is paused a moment after another has its own grace", async () => {
      const paused = new Set<string>();
      const { pump, works } = startPump([[claimOf("later", 0, "next"), claimOf("waiting"), claimOf("asked")]], {
        isPaused: (batchId) => paused.has(batchId),
      });
      await eventually("all three", async () => works.length === 3);
      const [later, waiting, asked] = works.map(({ lease }) => lease);
      assert.ok(later && waiting && asked);
      for (const lease of [later, asked]) lease.onAsked();
      let wasGivenBack = false;
      asked.signal.addEventListener("abort", () => (wasGivenBack = later.signal.aborted));
      paused.add("b");
      pump.giveBackPaused();
      await eventually("the first look", async () => waiting.signal.aborted);
      paused.add("next");
      pump.giveBackPaused();
      await eventually("both to be given back", async () => asked.signal.aborted && later.signal.aborted, 10_000);
      assert.equal(wasGivenBack, false);
      await pump.drain(1_000);
    });

    test("what is claimed after a pause, of a batch that is paused a moment later, has its own grace too", async () => {
      const paused = new Set<string>();
      const pages = [[claimOf("waiting"), claimOf("asked")]];
      const { pump, works } = startPump(pages, { isPaused: (batchId) => paused.has(batchId) });
      await eventually("both", async () => works.length === 2);
      const [waiting, asked] = works.map(({ lease }) => lease);
      assert.ok(waiting && asked);
      asked.onAsked();
      const given = Promise.withResolvers<void>();
      asked.signal.addEventListener("abort", () => setImmediate(given.resolve));
      paused.add("b");
      pump.giveBackPaused();
      await eventually("the first look", async () => waiting.signal.aborted);
      pages.push([claimOf("later", 0, "next")]);
      pump.wake();
      const { lease: later } = await eventually("the next", async () => works[2]);
      later.onAsked();
      paused.add("next");
      pump.giveBackPaused();
      await given.promise;
      assert.equal(later.signal.aborted, false);
      await eventually("it to be given back", async () => later.signal.aborted, 10_000);
      await pump.drain(1_000);
    });

    test("what has been fetched of a paused batch has longer to be worked, and is given back then", async () => {
      const { pump, works } = startPump([[claimOf("other", 0, "next"), claimOf("fetched"), claimOf("asked")]], {
        isPaused: (batchId) => batchId === "b" && works.length === 3,
      });
      await eventually("all three", async () => works.length === 3);
      const [other, fetched, asked] = works.map(({ lease }) => lease);
      assert.ok(other && fetched && asked);
      asked.onAsked();
      for (const lease of [other, fetched]) {
        lease.onAsked();
        lease.onFetched();
      }
      let wasGivenBack = false;
      asked.signal.addEventListener("abort", () => (wasGivenBack = fetched.signal.aborted));
      pump.giveBackPaused();
      await eventually("what was not fetched to be given back", async () => asked.signal.aborted, 10_000);
      assert.equal(wasGivenBack, false);
      await eventually("what was fetched to be given back", async () => fetched.signal.aborted, 20_000);
      assert.equal(other.signal.aborted, false);
      await pump.drain(0);
    });
  });

  test("a claim whose job is locked is neither lost nor known to be alive", async (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const clock = t.mock.method(performance, "now");
    const claimedAt = performance.now();
    const held = claimOf("x");
    const answers = [touched([], [held]), touched([])];
    const { pump, works } = startPump([[held]], { touch: async () => answers.shift() ?? assert.fail() });
    const { lease } = await eventually("the claim", async () => works[0]);
    clock.mock.mockImplementation(() => claimedAt + 9_000);
    t.mock.timers.tick(3_000);
    await turns();
    assert.deepEqual([answers.length, lease.signal.aborted], [1, false]);
    await lease.confirm();
    assert.equal(answers.length, 1, "it is sure as long as the claim itself is");
    clock.mock.mockImplementation(() => claimedAt + 12_000);
    await assert.rejects(lease.confirm());
    assert.ok(lease.signal.reason instanceof LostClaim);
    clock.mock.restore();
    await pump.drain(1_000);
  });

  for (const { what, byMs, isLost } of [
    { what: "a machine that was suspended until a claim lapsed asks before it is sure of it", byMs: 11_000, isLost: true },
    { what: "a machine whose clock was set back asks once, and keeps the claim", byMs: -3_600_000, isLost: false },
  ])
    test(what, async (t) => {
      // The clock that only goes forward stands still.
      t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
      const held = claimOf("x");
      let asked = 0;
      const touch = async () => {
        asked += 1;
        return touched(isLost ? [] : [held]);
      };
      const { pump, works } = startPump([[held]], { touch });
      const { lease } = await eventually("the claim", async () => works[0]);
      await lease.confirm();
      assert.equal(asked, 0);
      t.mock.timers.setTime(Date.now() + byMs);
      if (isLost) await assert.rejects(lease.confirm());
      for (let again = 0; again < 2 && !isLost; again += 1) await lease.confirm();
      assert.deepEqual([asked, lease.signal.reason instanceof LostClaim], [1, isLost]);
      await pump.drain(0);
    });

  test("while the database leaves a sign of life without an answer, no other is sent", async (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const touches: PromiseWithResolvers<Touched>[] = [];
    const touch = () => {
      const answer = Promise.withResolvers<Touched>();
      touches.push(answer);
      return answer.promise;
    };
    const held = claimOf("x");
    const { pump, works } = startPump([[held]], { touch });
    await eventually("the claim", async () => works.length === 1);
    t.mock.timers.tick(60_000);
    assert.equal(touches.length, 1);
    touches[0]?.resolve(touched([held]));
    await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(3_000);
    assert.equal(touches.length, 2);
    assert.equal(works[0]?.lease.signal.aborted, false);
    touches[1]?.resolve(touched([]));
    await eventually("the claim to be lost", async () => works[0]?.lease.signal.aborted);
    await pump.drain(1_000);
  });
});
