import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { before, describe, test } from "node:test";
import { startBatches } from "../../src/db/batches.ts";
import type { Database, Tx } from "../../src/db/connection/connect.ts";
import { isLockRefused } from "../../src/db/connection/lock-wait.ts";
import type { Claim } from "../../src/queue/image-jobs.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { finishBatch, type FinishDeps } from "../../src/worker/finish-batch.ts";
import { createLockedOutcomes } from "../../src/worker/settle/locked-outcomes.ts";
import { planBatch } from "../../src/worker/plan-batch.ts";
import { eventually } from "../support/eventually.ts";
import { loadCatalogue } from "../support/load-catalogue.ts";
import { openJobs, outcomeOf, untriedOf } from "../support/outcomes.ts";
import { createTestSettler, openTestQueue } from "../support/queue.ts";

/** Somebody's session has a batch's row locked, and is left open. */
describe("while a batch is locked", { timeout: 60_000 }, () => {
  let db: Database;
  let queue: Queue;
  before(async () => {
    ({ db, queue } = await openTestQueue());
  });

  const load = (name: string, count: number) =>
    loadCatalogue(
      { db, queue },
      Array.from({ length: count }, (_, index) => [`https://shop.test/${name}/${index}.jpg`]),
    );
  const rowOf = async (batchId: string) =>
    (await db.executor.executeSql("select * from batch where batch_id = $1", [batchId])).rows[0] ?? assert.fail();
  const countsOf = async (batchId: string) => {
    const { images_failed, images_queued } = await rowOf(batchId);
    return { failed: Number(images_failed), queued: Number(images_queued) };
  };
  const claimAll = async () => (await db.keyedTransaction((tx) => queue.claimImages(tx, 10_000))).claims;
  const lock = (tx: Tx, batchId: string) => tx.executor.executeSql("select 1 from batch where batch_id = $1 for update", [batchId]);
  const givenUp = (claim: Claim) => outcomeOf(claim, { kind: "give_up", failure: { code: "not_found", detail: "gone", retry: false } });
  const ofBatch = (claims: readonly Claim[], batchId: string) => claims.filter(({ data }) => data.batchId === batchId);

  /** A settler, and what it was told. */
  const openSettler = () => {
    const errors: unknown[] = [];
    return { settler: createTestSettler({ db, queue }, { onError: (error) => errors.push(error) }), errors };
  };

  test("the outcomes of others are written, its own wait with their claims alive, and each is counted once when it is free", async () => {
    const [x, y] = [await load("x", 15), await load("y", 40)];
    const claims = await claimAll();
    const [ofX, ofY] = [ofBatch(claims, x), ofBatch(claims, y)];
    const { settler, errors } = openSettler();
    let settledOfX = 0;
    const settleX = (some: readonly Claim[]) => some.map((claim) => settler.settle(givenUp(claim)).then(() => (settledOfX += 1)));
    const settleY = (some: readonly Claim[]) => Promise.all(some.map((claim) => settler.settle(givenUp(claim))));
    const waiting: Promise<unknown>[] = [];
    await db.transaction(async (tx) => {
      await lock(tx, x);
      waiting.push(...settleX(ofX.slice(0, 5)));
      await settleY(ofY.slice(0, 20));
      // From now on it is known to be locked.
      waiting.push(...settleX(ofX), ...settleX(ofX.slice(0, 3)));
      const retried = givenUp(ofY[39] ?? assert.fail());
      await Promise.all([settleY(ofY.slice(20, 39)), settler.settle({ ...retried, outcome: { kind: "release", delayMs: 1_000 } })]);
      assert.deepEqual([await countsOf(y), settledOfX], [{ failed: 39, queued: 1 }, 0]);
      const touched = await db.keyedTransaction((own) => queue.touch(own, ofX));
      assert.deepEqual(touched, { alive: new Set(ofX.map(({ id }) => id)), locked: new Set() });
    });
    await Promise.all(waiting);
    assert.deepEqual([await countsOf(x), (await openJobs(db, x, "finish")).length], [{ failed: 15, queued: 0 }, 1]);
    for (const error of errors) {
      assert.match(String(error), new RegExp(`somebody's session keeps rows of the batch ${x} locked`));
      assert.ok(isLockRefused(error));
    }
    assert.deepEqual([settler.heldUp(), settler.isHeldUp(x)], [0, false]);
    await db.executor.executeSql("delete from pgboss.job where name = 'image'");
  });

  test("where rows of its images are locked instead, the same", async () => {
    const [x, y] = [await load("x", 10), await load("y", 10)];
    const claims = await claimAll();
    const { settler } = openSettler();
    const waiting: Promise<void>[] = [];
    await db.transaction(async (tx) => {
      await tx.executor.executeSql("select 1 from image where batch_id = $1 and ordinal = 3 for update", [x]);
      waiting.push(...ofBatch(claims, x).map((claim) => settler.settle(givenUp(claim))));
      await Promise.all(ofBatch(claims, y).map((claim) => settler.settle(givenUp(claim))));
      assert.deepEqual(
        [await countsOf(x), await countsOf(y)],
        [
          { failed: 0, queued: 10 },
          { failed: 10, queued: 0 },
        ],
      );
    });
    await Promise.all(waiting);
    assert.deepEqual(await countsOf(x), { failed: 10, queued: 0 });
  });

  test("where many rows of its images are locked, what is put off ends all the same, and takes no room", async () => {
    const x = await load("x", 100);
    await planBatch({ transaction: db.keyedTransaction, queue }, x, AbortSignal.timeout(30_000));
    const claims = await claimAll();
    const { settler } = openSettler();
    const waiting: Promise<void>[] = [];
    await db.transaction(async (tx) => {
      await tx.executor.executeSql("select 1 from image where batch_id = $1 for update", [x]);
      waiting.push(...[...claims, ...claims].map((claim) => ({ ...claim })).map((claim) => settler.settle(givenUp(claim))));
      await eventually("as many to wait as may", async () => settler.isHeldUp(x));
      await settler.settle(untriedOf({ ...(claims[0] ?? assert.fail()) }, { kind: "release", delayMs: 30_000 }));
      assert.equal(settler.heldUp(), 200);
    });
    await Promise.all(waiting);
    assert.deepEqual(await countsOf(x), { failed: 99, queued: 1 });
  });

  test("of many batches each waits by itself, all on one connection", async () => {
    let [atOnce, most, isLocked] = [0, 0, true];
    const locked = createLockedOutcomes({
      portionMax: 100,
      async settle(items) {
        most = Math.max(most, (atOnce += 1));
        await turn();
        atOnce -= 1;
        return isLocked && items[0]?.claim.data.batchId === "0" ? items : [];
      },
      isStopped: () => false,
      onError: (error) => assert.ok(isLockRefused(error)),
    });
    const items = Array.from({ length: 100 }, (_, index) =>
      givenUp({ id: String(index), data: { batchId: String(index % 50), ordinal: index } } as unknown as Claim),
    );
    locked.keep(items);
    await Promise.all(items.filter(({ claim }) => claim.data.batchId !== "0").map(({ claim }) => locked.ended(claim)));
    assert.deepEqual([locked.size(), most], [2, 1]);
    isLocked = false;
    await Promise.all(items.map(({ claim }) => locked.ended(claim)));
    assert.equal(locked.size(), 0);
  });

  test("its end gives way to those of others, and one of which nothing was tried is not started", async () => {
    const x = await load("x", 1);
    const [claim] = ofBatch(await claimAll(), x);
    const { settler } = openSettler();
    await settler.settle(untriedOf(claim ?? assert.fail(), { kind: "shelve" }));
    assert.deepEqual([(await rowOf(x))["status"], (await rowOf(x))["started_at"]], ["pending", null]);
    const deps = { db, queue, storage: {} as FinishDeps["storage"], publicUrl: () => "" };
    await db.transaction(async (tx) => {
      await lock(tx, x);
      await assert.rejects(finishBatch(deps, { batchId: x, run: 1 }, AbortSignal.timeout(30_000)), isLockRefused);
    });
  });

  test("no more of its images are to come than can wait, and a stop leaves them to whoever gets their claims next", async () => {
    const x = await load("x", 100);
    await planBatch({ transaction: db.keyedTransaction, queue }, x, AbortSignal.timeout(30_000));
    const claims = await claimAll();
    const { settler } = openSettler();
    await db.transaction(async (tx) => {
      await lock(tx, x);
      const waiting = [...claims, ...claims].map((claim) => ({ ...claim })).map((claim) => settler.settle(givenUp(claim)));
      await eventually("as many to wait as may", async () => settler.isHeldUp(x));
      assert.equal(settler.isHeldUp("another"), false);
      settler.stop();
      await Promise.all(waiting);
      assert.equal(settler.isHeldUp(x), false);
    });
    assert.deepEqual(await countsOf(x), { failed: 0, queued: 100 });
    const { settler: next } = openSettler();
    await Promise.all(claims.map((claim) => next.settle(givenUp(claim))));
    assert.deepEqual(await countsOf(x), { failed: 100, queued: 0 });
  });

  test("others are started at their claims, and it is with its first outcomes, as of the time when the first was begun", async () => {
    const [x, y] = [await load("x", 1), await load("y", 1)];
    const statuses = async () => [(await rowOf(x))["status"], (await rowOf(y))["status"]];
    const [ofX] = ofBatch(await claimAll(), x);
    await db.transaction(async (tx) => {
      await lock(tx, x);
      await db.fleetingTransaction((own) => startBatches(own.executor, [x, y]));
      assert.deepEqual(await statuses(), ["pending", "processing"]);
    });
    const startedAt = (await rowOf(y))["started_at"];
    const outcome = givenUp(ofX ?? assert.fail());
    await openSettler().settler.settle({ ...outcome, startedAtMs: performance.now() - 3_600_000 });
    await db.fleetingTransaction((tx) => startBatches(tx.executor, [x, y]));
    assert.deepEqual(await statuses(), ["processing", "processing"]);
    assert.deepEqual((await rowOf(y))["started_at"], startedAt, "once");
    const agoMs = Number(startedAt) - Number((await rowOf(x))["started_at"]);
    assert.ok(agoMs > 3_500_000 && agoMs <= 3_600_000, `${agoMs} ms`);
  });

  test("its planning gives way to that of others, and comes back", async () => {
    const x = await load("x", 150);
    const plan = () => planBatch({ transaction: db.keyedTransaction, queue }, x, AbortSignal.timeout(30_000));
    await db.transaction(async (tx) => {
      await lock(tx, x);
      await assert.rejects(plan(), isLockRefused);
    });
    await plan();
    assert.equal((await countsOf(x)).queued, 150);
  });
});
