import assert from "node:assert/strict";
import { randomUUIDv7 } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, beforeEach, describe, test } from "node:test";
import { findBatch, type BatchRow } from "../../src/db/batches.ts";
import { skipPage } from "../../src/db/cancel-batch.ts";
import type { Database, Tx } from "../../src/db/connection/connect.ts";
import { productPages } from "../../src/db/list-products.ts";
import { PAUSED_BY_HAND } from "../../src/domain/batch/failure-budget.ts";
import { DEFAULT_TENANT_ID } from "../../src/domain/ids.ts";
import { cancelBatch } from "../../src/queue/cancel-batch.ts";
import { countShares } from "../../src/queue/hold-share.ts";
import type { Claim } from "../../src/queue/image-jobs.ts";
import { pauseBatch } from "../../src/queue/pause-batch.ts";
import { QUEUED_MAX } from "../../src/queue/plan-page.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { resumeBatch, resumeShare } from "../../src/queue/resume-batch.ts";
import { finishBatch } from "../../src/worker/finish-batch.ts";
import { planBatch } from "../../src/worker/plan-batch.ts";
import { reconcile } from "../../src/worker/reconcile.ts";
import type { Worked } from "../../src/worker/settle/settle-together.ts";
import type { Settler } from "../../src/worker/settle/settler.ts";
import { createStorage, type Storage } from "../../src/storage/storage.ts";
import { onCleanup } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { loadCatalogue, someEndpoint } from "../support/load-catalogue.ts";
import { openJobs, outcomeOf, untriedOf } from "../support/outcomes.ts";
import { claimsByImage, createTestSettler, openTestQueue } from "../support/queue.ts";

const DONE: Worked["outcome"] = { kind: "done", result: { outputs: [], isReused: false } };
const failure = { code: "forbidden", detail: "so it is", retry: false } as const;

/** The database's side of cancelling, without the network and a worker's clock. */
describe("cancelling a batch", () => {
  let db: Database;
  let queue: Queue;
  let dataDir: string;
  let storage: Storage;
  let claim: (count: number) => Promise<Claim[]>;
  let settler: Settler;
  before(async () => {
    ({ db, queue } = await openTestQueue());
    dataDir = await createTestFolder();
    storage = await createStorage({ dataDir });
    onCleanup(() => storage.close());
    claim = claimsByImage({ db, queue });
    settler = createTestSettler(
      { db, queue },
      {
        countShares: (tx, state, tried) => countShares(tx, deps(), state, tried),
      },
    );
  });
  beforeEach(async () => {
    await db.executor.executeSql("delete from pgboss.job");
    await db.executor.executeSql("update batch set status = 'completed'");
  });

  const deps = () => ({ queue, publicUrl: () => "http://127.0.0.1" });
  const urls = (count: number, host = "cdn.test") => Array.from({ length: count }, (_, index) => `https://${host}/${index}.jpg`);
  const load = async (images: readonly string[], pauseHostAtFailurePercent: number | null = null) => {
    const rows = images.map((url) => [url]);
    const batchId = await loadCatalogue({ db, queue }, rows, { pauseHostAtFailurePercent, endpoint: someEndpoint() });
    await planBatch({ transaction: db.keyedTransaction, queue }, batchId, AbortSignal.timeout(30_000));
    return batchId;
  };
  const rowsOf = async (sql: string, ...values: unknown[]) => (await db.executor.executeSql(sql, values)).rows;
  const batchOf = async (batchId: string) => (await findBatch(db.executor, DEFAULT_TENANT_ID, batchId)) as BatchRow;
  const settle = (claims: readonly Claim[], outcome: Worked["outcome"]) =>
    Promise.all(claims.map((held) => settler.settle(outcomeOf(held, outcome))));
  const shelve = (claims: readonly Claim[]) => Promise.all(claims.map((held) => settler.settle(untriedOf(held, { kind: "shelve" }))));
  const cancel = (batchId: string) => db.transaction((tx) => cancelBatch(tx, { queue }, batchId));
  const finish = (batchId: string) =>
    finishBatch(
      {
        db,
        queue,
        storage,
        publicUrl: () => "http://127.0.0.1",
      },
      { batchId, run: 1 },
      AbortSignal.timeout(30_000),
    );
  const endOf = async (batchId: string) => {
    const { status, outcome, imagesDone, imagesFailed, imagesSkipped, pausedAt, finishedAt } = await batchOf(batchId);
    assert.deepEqual([pausedAt, finishedAt !== null], [null, true]);
    return { status, outcome, counts: [imagesDone, imagesFailed, imagesSkipped] };
  };
  const events = async (batchId: string) =>
    (await rowsOf("select type from event where batch_id = $1 order by sequence", batchId)).map(({ type }) => type);
  const states = async (batchId: string) =>
    Object.fromEntries(
      (await rowsOf("select state, count(*)::int as n from image where batch_id = $1 group by 1", batchId)).map(({ state, n }) => [
        state,
        n,
      ]),
    );

  test("settles what is planned and what never was, and accounts for every row of the file", async () => {
    const batchId = await load([...urls(QUEUED_MAX + 500), "https://cdn.test/0.jpg", "nowhere"]);
    const claims = await claim(20);
    await settle(claims.slice(0, 12), DONE);
    await settle(claims.slice(12), { kind: "give_up", failure });
    assert.ok(await cancel(batchId));
    assert.deepEqual(await openJobs(db, batchId), []);
    assert.equal((await openJobs(db, batchId, "finish")).length, 1);

    await finish(batchId);
    const skipped = QUEUED_MAX + 502 - 20;
    assert.deepEqual(await endOf(batchId), { status: "cancelled", outcome: "some", counts: [12, 8, skipped] });
    assert.deepEqual(await states(batchId), { done: 12, failed: 8, cancelled: QUEUED_MAX - 20 });
    assert.deepEqual(await events(batchId), ["batch.cancelled"]);

    const codes: (string | null)[] = [];
    for await (const page of productPages(db.executor, batchId))
      codes.push(...page.flatMap(({ images }) => images.map(({ error }) => error?.code ?? null)));
    assert.deepEqual(
      [null, "forbidden", "cancelled"].map((code) => codes.filter((one) => one === code).length),
      [12, 8, skipped],
    );
    const results = await readFile(join(dataDir, "uploads", "outputCsvFiles", batchId, "results.csv"), "utf8");
    assert.equal(results.split("1: cancelled: The batch was cancelled.").length - 1, skipped);
    const [report] = await rowsOf(
      `select count(*) filter (where p.state = 'pending')::int as pending, count(*)::int as products, sum(p.images_skipped)::int as skipped,
         bool_and(b.cancelled_at is not null) as is_cancelled
       from report.products p join report.batches b using (batch_id) where batch_id = $1`,
      batchId,
    );
    assert.deepEqual(report, { pending: 0, products: QUEUED_MAX + 502, skipped, is_cancelled: true });
  });

  test("waits for what is in hand, which still counts, and takes what comes back from it out of the queue", async () => {
    const batchId = await load(urls(30));
    const claims = await claim(10);
    await cancel(batchId);
    await finish(batchId);
    assert.equal((await batchOf(batchId)).finishedAt, null);
    assert.equal((await openJobs(db, batchId, "finish")).filter(({ later }) => later).length, 1, "it is looked at again");

    await settle(claims.slice(0, 4), DONE);
    await settle(claims.slice(4, 6), { kind: "retry", failure: { ...failure, retry: true }, delayMs: 60_000 });
    await settle(claims.slice(6, 8), { kind: "release", delayMs: 0 });
    await shelve(claims.slice(8));
    await finish(batchId);
    assert.deepEqual(await openJobs(db, batchId, "finish"), [], "nobody else waits to end it");
    assert.deepEqual(await endOf(batchId), { status: "cancelled", outcome: "some", counts: [4, 0, 26] });
    assert.deepEqual([await openJobs(db, batchId), await states(batchId)], [[], { done: 4, cancelled: 26 }]);
  });

  test("is looked at again as soon as the last in hand has ended, and not with each that does", async () => {
    const batchId = await load(urls(10));
    const claims = await claim(10);
    await cancel(batchId);
    await rowsOf("delete from pgboss.job where name = 'finish'");
    for (const held of claims.slice(0, 9)) await settle([held], DONE);
    assert.deepEqual(await openJobs(db, batchId, "finish"), []);
    await shelve(claims.slice(9));
    assert.equal((await openJobs(db, batchId, "finish")).length, 1);
  });

  const isAnyWaiting = async () =>
    (await rowsOf("select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")).length > 0;

  test("leaves nothing planned where two end it at once and one of them dies", async () => {
    const batchId = await load(urls(1));
    const more = 25_000;
    await rowsOf(
      `insert into image (batch_id, ordinal, line, position, stem, url, host, same_as)
       select $1, n, 2, 1, 'p-' || n, 'https://cdn.test/0.jpg', 'cdn.test', 0 from generate_series(1, $2::int) as n`,
      batchId,
      more,
    );
    await rowsOf("update batch set images_total = images_total + $2 where batch_id = $1", batchId, more);
    await cancel(batchId);
    const skip = (tx: Tx) => skipPage(tx, batchId);
    let other: Promise<boolean> | undefined;
    const dies = db.transaction(async (tx) => {
      assert.ok(await skip(tx));
      other = db.transaction(skip);
      await eventually("the other to wait", isAnyWaiting);
    });
    await dies;
    assert.equal(await other, true, "what the first one has done is not the end");
    await finish(batchId);
    assert.deepEqual(await states(batchId), { cancelled: more + 1 });
    assert.deepEqual(await endOf(batchId), { status: "cancelled", outcome: "none", counts: [0, 0, more + 1] });
  });

  test("leaves nothing planned that somebody else changes at that moment", async () => {
    const batchId = await load(urls(3));
    await cancel(batchId);
    const { skipped } = await db.transaction(async (tx) => {
      await tx.executor.executeSql("update image set queued_at = now() where batch_id = $1 and ordinal = 1", [batchId]);
      const skipped = db.transaction((other) => skipPage(other, batchId));
      await eventually("it to wait", isAnyWaiting);
      return { skipped };
    });
    assert.equal(await skipped, true, "one of them is left");
    await finish(batchId);
    assert.deepEqual(await endOf(batchId), { status: "cancelled", outcome: "none", counts: [0, 0, 3] });
    assert.deepEqual(await states(batchId), { cancelled: 3 });
  });

  test("removes what killed workers have left at the places of its images, and nothing that a row names", async () => {
    const batchId = await load(urls(3));
    const [first] = await claim(3);
    const put = async (ordinal: number, fileName: string) => {
      const temp = storage.tempPath();
      await writeFile(temp, "x");
      assert.ok((await storage.keepOutput(temp, { batchId, ordinal, fileName })).ok);
    };
    const output = {
      name: "main",
      fileName: "1-1.jpg",
      format: "jpeg",
      width: 1,
      height: 1,
      bytes: 1,
      quality: 50,
      isKept: false,
      encodeMs: 0,
    } as const;
    await put(0, "1-1.jpg");
    await put(1, "2-1.jpg");
    await put(2, "3-1.webp");
    assert.ok(first);
    await settle([first], { kind: "done", result: { outputs: [output], isReused: false } });
    await cancel(batchId);
    await queue.freeClaims();
    await finish(batchId);
    assert.equal((await endOf(batchId)).status, "cancelled");
    assert.deepEqual(await readdir(join(dataDir, "uploads", "outputImages", batchId, "00000")), ["1-1.jpg"]);
  });

  test("ends after the claims of a dead worker have lapsed", async () => {
    const batchId = await load(urls(10));
    await claim(10);
    await cancel(batchId);
    await finish(batchId);
    assert.equal((await batchOf(batchId)).finishedAt, null);
    await queue.freeClaims();
    await finish(batchId);
    assert.deepEqual(await endOf(batchId), { status: "cancelled", outcome: "none", counts: [0, 0, 10] });
  });

  test("ends like any other where all of it was in hand and came", async () => {
    const batchId = await load(urls(10));
    const claims = await claim(10);
    await cancel(batchId);
    await settle(claims, DONE);
    await finish(batchId);
    assert.deepEqual(await endOf(batchId), { status: "completed", outcome: "all", counts: [10, 0, 0] });
    assert.deepEqual(await events(batchId), ["batch.completed"]);
  });

  test("ends a batch that is paused, and one of which only images of paused hosts are left", async () => {
    const paused = await load(urls(10));
    await db.transaction((tx) => pauseBatch(tx, deps(), paused, PAUSED_BY_HAND));
    const held = await load(urls(60, "bad.test"), 20);
    await settle(await claim(30), { kind: "give_up", failure });
    await finish(held);
    assert.ok((await batchOf(held)).imagesHeld > 0);
    for (const batchId of [paused, held]) {
      assert.ok(await cancel(batchId));
      await finish(batchId);
    }
    assert.deepEqual(await endOf(paused), { status: "cancelled", outcome: "none", counts: [0, 0, 10] });
    assert.deepEqual(await endOf(held), { status: "cancelled", outcome: "none", counts: [0, 30, 30] });
    assert.deepEqual(await events(held), ["batch.host_paused", "batch.paused", "batch.cancelled"]);
    assert.deepEqual(await rowsOf("select 1 from held_image where batch_id = $1", held), []);
  });

  test("is for good: nothing resumes, plans or queues it, and what is cancelled or has ended is not cancelled again", async () => {
    const batchId = await load(urls(60, "bad.test"), 20);
    await settle(await claim(30), { kind: "give_up", failure });
    const [held] = await claim(1);
    assert.equal(held, undefined);
    await cancel(batchId);
    assert.equal(await db.transaction((tx) => resumeBatch(tx, deps(), batchId, {})), null);
    assert.equal(await db.transaction((tx) => resumeShare(tx, deps(), batchId, "bad.test", undefined)), null);
    assert.equal(await cancel(batchId), null);
    await planBatch({ transaction: db.keyedTransaction, queue }, batchId, AbortSignal.timeout(30_000));
    await rowsOf("delete from pgboss.job where name = 'finish'");
    await rowsOf("update image set queued_at = now() - interval '2 minutes'");
    await rowsOf("update batch set created_at = now() - interval '2 minutes'");
    const { images, batches } = await reconcile({ transaction: db.transaction, queue });
    assert.deepEqual([images, batches, await openJobs(db, batchId)], [0, 1, []]);
    assert.equal((await openJobs(db, batchId, "finish")).length, 1, "whose finish job was lost");
    await finish(batchId);
    const end = await endOf(batchId);
    assert.equal(await cancel(batchId), null);
    await finish(batchId);
    assert.deepEqual(await endOf(batchId), end);
    assert.equal((await events(batchId)).filter((type) => type === "batch.cancelled").length, 1);
    assert.equal(await cancel(randomUUIDv7()), null);
  });
});
