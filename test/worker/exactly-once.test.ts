import assert from "node:assert/strict";
import { randomUUIDv7 } from "node:crypto";
import { before, describe, test } from "node:test";
import { findClaimedImages } from "../../src/db/claimed-images.ts";
import type { Database } from "../../src/db/connection/connect.ts";
import { listProducts, type ProductPage } from "../../src/db/list-products.ts";
import { failed, succeeded } from "../../src/domain/image/stage-result.ts";
import type { Claim } from "../../src/queue/image-jobs.ts";
import type { Queue } from "../../src/queue/queue.ts";
import type { FreshOutput } from "../../src/storage/storage.ts";
import { planBatch } from "../../src/worker/plan-batch.ts";
import { reconcile } from "../../src/worker/reconcile.ts";
import { flushOutcomes } from "../../src/worker/settle/flush-outcomes.ts";
import { wasWorked, type Worked } from "../../src/worker/settle/settle-together.ts";
import { NO_STAGE_MS } from "../../src/worker/image/stages.ts";
import { loadCatalogue } from "../support/load-catalogue.ts";
import { openJobs, outcomeOf } from "../support/outcomes.ts";
import { createTestSettler, openTestQueue } from "../support/queue.ts";

const SOURCE = {
  finalUrl: "https://shop.test/",
  httpStatus: 200,
  sourceType: "image/jpeg",
  sourceBytes: 1_000,
  sha256: "00",
  etag: null,
  lastModified: null,
  sourceWidth: 10,
  sourceHeight: 10,
};

/** Effects are exactly once however often a job runs: the database's side of every stage, without the network. */
describe("planning and settling", () => {
  let db: Database;
  let queue: Queue;
  before(async () => {
    ({ db, queue } = await openTestQueue());
  });

  const load = (urls: readonly string[][]) => loadCatalogue({ db, queue }, urls);
  const distinct = (count: number, name = "p") => Array.from({ length: count }, (_, index) => [`https://shop.test/${name}/${index}.jpg`]);
  const batchRow = async (batchId: string) =>
    (await db.executor.executeSql("select * from batch where batch_id = $1", [batchId])).rows[0] ?? {};
  /** How many jobs there are, or images in jobs. */
  const jobsOf = async (name: string, batchId: string) =>
    Number(
      (
        await db.executor.executeSql(
          "select coalesce(sum(coalesce(jsonb_array_length(data->'ordinals'), 1)), 0) as n from pgboss.job where name = $1 and data->>'batchId' = $2 and state < 'completed'",
          [name, batchId],
        )
      ).rows[0]?.["n"],
    );
  const settlerOf = () => createTestSettler({ db, queue });
  const done = (claim: Claim): Worked => {
    const facts = { format: "jpeg", width: 10, height: 10, bytes: 100, quality: 50, isKept: false, encodeMs: 1 } as const;
    const outputs = [{ name: "main", fileName: `${claim.data.ordinal}-1.jpg`, ...facts }];
    return { ...outcomeOf(claim, { kind: "done", result: { outputs, isReused: false } }), source: SOURCE };
  };
  const givenUp = (claim: Claim) => outcomeOf(claim, { kind: "give_up", failure: { code: "not_found", detail: "gone", retry: false } });
  const claim = async (limit: number) => (await db.keyedTransaction((tx) => queue.claimImages(tx, limit))).claims;
  const drainQueue = async () => {
    const claims = await claim(10_000);
    await db.transaction((tx) => queue.endClaims(tx, claims));
  };

  test("a batch is planned in pages, with at most 8,000 images queued, and a page twice changes nothing", async () => {
    const batchId = await load(distinct(8_500));
    assert.equal(await jobsOf("image", batchId), 100, "the first page came with the upload");
    assert.equal(await jobsOf("plan", batchId), 1);
    await planBatch({ transaction: db.keyedTransaction, queue }, batchId, AbortSignal.timeout(30_000));
    await planBatch({ transaction: db.keyedTransaction, queue }, batchId, AbortSignal.timeout(30_000));
    assert.equal(await jobsOf("image", batchId), 8_000);
    assert.equal((await batchRow(batchId))["images_queued"], 8_000);

    // The settle that crosses the low-water mark sends the next plan job, once.
    await db.executor.executeSql("delete from pgboss.job where name = 'plan'");
    const settler = settlerOf();
    const claims = await claim(1_100);
    await Promise.all(claims.map((claim) => settler.settle(done(claim))));
    assert.equal(await jobsOf("plan", batchId), 1);
    await planBatch({ transaction: db.keyedTransaction, queue }, batchId, AbortSignal.timeout(30_000));
    const row = await batchRow(batchId);
    assert.deepEqual([row["is_planned"], row["images_queued"], row["images_done"]], [true, 7_400, 1_100]);
    await drainQueue();
  });

  test("an outcome that is settled twice counts once", async () => {
    const batchId = await load(distinct(3));
    const claims = await claim(3);
    const settler = settlerOf();
    await Promise.all([...claims, ...claims].map((claim) => settler.settle(done(claim))));
    await Promise.all(claims.map((claim) => settler.settle(givenUp(claim))));
    const row = await batchRow(batchId);
    assert.deepEqual(
      [row["images_done"], row["images_failed"], row["images_queued"], row["input_bytes"], row["output_bytes"]],
      [3, 0, 0, "3000", "300"],
    );
    assert.equal(await jobsOf("finish", batchId), 1);
  });

  test("a repeated URL has one job, whichever of the two is planned or settled first", async () => {
    const batchId = await load([
      ...distinct(120, "r"),
      ["https://shop.test/r/0.jpg"],
      ["https://shop.test/r/119.jpg", "https://shop.test/r/5.jpg"],
    ]);
    const settler = settlerOf();
    // The first page is settled before the repeats have rows; the other firsts after.
    const early = await claim(1_000);
    await Promise.all(early.map((claim) => settler.settle(claim.data.ordinal === 5 ? givenUp(claim) : done(claim))));
    await planBatch({ transaction: db.keyedTransaction, queue }, batchId, AbortSignal.timeout(30_000));
    const late = await claim(1_000);
    assert.equal(early.length + late.length, 120);
    await Promise.all(late.map((claim) => settler.settle(done(claim))));
    const row = await batchRow(batchId);
    assert.deepEqual([row["images_total"], row["images_done"], row["images_failed"]], [123, 121, 2]);
    assert.equal(await jobsOf("finish", batchId), 1);
  });

  test("a retry is a new job for later and no failure; a release is as if nothing had been", async () => {
    const batchId = await load(distinct(2));
    const [first, second] = await claim(2);
    assert.ok(first && second);
    const settler = settlerOf();
    await Promise.all([
      settler.settle({
        ...givenUp(first),
        outcome: { kind: "retry", failure: { code: "server_error", detail: "503", retry: true }, delayMs: 60_000 },
      }),
      settler.settle({ ...givenUp(second), outcome: { kind: "release", delayMs: 0 } }),
    ]);
    const { rows } = await db.executor.executeSql("select attempts, state, code from image where batch_id = $1 order by ordinal", [
      batchId,
    ]);
    assert.deepEqual(rows, [
      { attempts: 1, state: "planned", code: "server_error" },
      { attempts: 0, state: "planned", code: null },
    ]);
    assert.equal(await jobsOf("image", batchId), 2);
    const again = await claim(10);
    assert.deepEqual(
      again.map(({ data }) => data.ordinal),
      [second.data.ordinal],
      "the retry waits for its time",
    );
    const row = await batchRow(batchId);
    assert.deepEqual([row["images_done"], row["images_failed"], row["images_queued"]], [0, 0, 2]);
    await db.executor.executeSql("delete from pgboss.job");
  });

  test("what was not tried and waits for a time is shown with it, and is due from then on", async () => {
    const batchId = await load(distinct(3, "waits"));
    const [delayed, free, failing] = (await claim(3)).toSorted((one, other) => one.data.ordinal - other.data.ordinal);
    assert.ok(delayed && free && failing);
    const settler = settlerOf();
    const release = (delayMs: number) => ({ kind: "release", delayMs, askedSince: 1 }) as const;
    const failure = { code: "server_error", detail: "503", retry: true } as const;
    await Promise.all([
      settler.settle(outcomeOf(delayed, release(6_000))),
      settler.settle(outcomeOf(free, release(0))),
      settler.settle(outcomeOf(failing, { kind: "retry", failure, delayMs: 60_000 })),
    ]);
    const rowsOf = async (sql: string) => (await db.executor.executeSql(sql, [batchId])).rows;
    assert.deepEqual(
      await rowsOf(
        `select i.attempts, extract(epoch from i.next_attempt_at - j.created_on)::float8 as wait from report.images i
         join pgboss.job j on j.name = 'image' and j.data->>'batchId' = i.batch_id::text and j.data->'ordinals' @> to_jsonb(i.ordinal)
         where i.batch_id = $1 order by i.ordinal`,
      ),
      [
        { attempts: 0, wait: 6 },
        { attempts: 0, wait: null },
        { attempts: 1, wait: 60 },
      ],
    );
    assert.deepEqual(await rowsOf("select images_queued, images_delayed from report.backlog where batch_id = $1"), [
      { images_queued: 3, images_delayed: 2 },
    ]);

    await db.executor.executeSql(
      "update image set queued_at = now() - interval '8 seconds', not_before = not_before - interval '6 seconds' where batch_id = $1",
      [batchId],
    );
    const [image] = await db.transaction((tx) => findClaimedImages(tx, [delayed.data]));
    assert.ok(image && image.waitMs < 6_000, `due for ${image?.waitMs} ms`);
    await db.executor.executeSql("delete from pgboss.job");
  });

  test("an image whose job was sent twice is tried again once, and not at all once it is settled", async () => {
    const batchId = await load(distinct(2, "twice"));
    await db.transaction((tx) =>
      queue.sendImages(
        tx,
        [0, 1].map((ordinal) => ({ data: { batchId, ordinal }, priority: -1 })),
      ),
    );
    const claims = (await claim(10)).toSorted((a, b) => a.data.ordinal - b.data.ordinal);
    assert.equal(claims.length, 4);
    const settler = settlerOf();
    const retried = (held: Claim): Worked =>
      outcomeOf(held, { kind: "retry", failure: { code: "server_error", detail: "503", retry: true }, delayMs: 60_000 });
    await settler.settle(done(claims[0] ?? assert.fail()));
    await Promise.all(claims.slice(1).map((held) => settler.settle(retried(held))));
    assert.deepEqual(
      (await openJobs(db, batchId)).map(({ ordinal }) => ordinal),
      [1],
    );
    const { rows } = await db.executor.executeSql("select state, attempts from image where batch_id = $1 order by ordinal", [batchId]);
    assert.deepEqual(rows, [
      { state: "done", attempts: 1 },
      { state: "planned", attempts: 1 },
    ]);
    await db.executor.executeSql("delete from pgboss.job");
  });

  test("an outcome that the database refuses is given up, and the others with it are not", async () => {
    const batchId = await load(distinct(3, "odd"));
    const claims = await claim(3);
    const settler = createTestSettler(
      { db, queue },
      {
        onError: () => {},
      },
    );
    await Promise.all(
      claims.map((held, index) =>
        settler.settle(index === 1 ? { ...done(held), source: { ...SOURCE, finalUrl: "https://shop.test/\u0000" } } : done(held)),
      ),
    );
    const { rows } = await db.executor.executeSql("select state, code from image where batch_id = $1 order by ordinal", [batchId]);
    assert.deepEqual(rows.map(({ state, code }) => [state, code]).toSorted(), [
      ["done", null],
      ["done", null],
      ["failed", "storage_failed"],
    ]);
    assert.equal(await jobsOf("image", batchId), 0);
    assert.equal(await jobsOf("finish", batchId), 1);
  });

  test("nothing is recorded before its files are on the disk, and what the disk refused is tried again", async () => {
    const batchId = await load(distinct(2, "flushed"));
    const flushing = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const settler = createTestSettler(
      { db, queue },
      {
        flushOutcomes: async (items) => {
          flushing.resolve();
          await release.promise;
          const storage = {
            flushOutputs: async (files: readonly FreshOutput[]) =>
              files.map(({ ordinal }) => (ordinal === 0 ? failed("storage_failed") : succeeded(null))),
          };
          return flushOutcomes(
            {
              storage,
              disk: { check: async () => true, onGivenUp: assert.fail, onStored: () => {}, refusedMs: assert.fail },
              warn: (error) => assert.ifError(error),
            },
            items,
          );
        },
      },
    );
    const settled = Promise.all((await claim(2)).map((held) => settler.settle(done(held))));
    await flushing.promise;
    const states = async () =>
      (await db.executor.executeSql("select state, code, attempts from image where batch_id = $1 order by ordinal", [batchId])).rows;
    assert.deepEqual(await states(), [
      { state: "planned", code: null, attempts: 0 },
      { state: "planned", code: null, attempts: 0 },
    ]);
    release.resolve();
    await settled;
    assert.deepEqual(await states(), [
      { state: "planned", code: "storage_failed", attempts: 1 },
      { state: "done", code: null, attempts: 1 },
    ]);
    await db.executor.executeSql("delete from pgboss.job");
  });

  test("the wait for the disk counts as storing, of whatever was stored", async (t) => {
    const batchId = await load(distinct(3, "slow"));
    const [fresh, linked, gone] = await claim(3);
    assert.ok(fresh && linked && gone);
    let nowMs = 0;
    t.mock.method(performance, "now", () => nowMs);
    const storage = { flushOutputs: async (files: readonly FreshOutput[]) => ((nowMs += 700), files.map(() => succeeded(null))) };
    const disk = { check: assert.fail, onGivenUp: assert.fail, onStored: () => {}, refusedMs: assert.fail };
    const reused: Worked["outcome"] = { kind: "done", result: { outputs: [], isReused: true } };
    const flushed = await flushOutcomes({ storage, disk, warn: assert.ifError }, [
      done(fresh),
      { ...outcomeOf(linked, reused), stageMs: { ...NO_STAGE_MS, fetchMs: 1 } },
      givenUp(gone),
    ]);
    assert.deepEqual(
      flushed.filter(wasWorked).map(({ stageMs }) => stageMs.storeMs),
      [701, null, 1],
    );
    await db.executor.executeSql("delete from pgboss.job where data->>'batchId' = $1", [batchId]);
  });

  test("outputs that no row names are removed once that is sure, and no others", async () => {
    const batchId = await load(distinct(6, "unnamed"));
    const claims = (await claim(6)).toSorted((one, other) => one.data.ordinal - other.data.ordinal);
    const placeOf = ({ data: { ordinal } }: Claim, name: string) => ({ batchId, ordinal, fileName: `${ordinal}-${name}.jpg` });
    const removed: string[] = [];
    const settler = createTestSettler(
      { db, queue },
      {
        async removeOutputs(places) {
          for (const { ordinal, fileName } of places) {
            const { rows } = await db.executor.executeSql("select state from image where batch_id = $1 and ordinal = $2", [
              batchId,
              ordinal,
            ]);
            removed.push(`${rows[0]?.["state"]} ${fileName}`);
          }
        },
        onError: () => {},
      },
    );
    const [failed, linked, retried, lost, twice, refused] = claims;
    assert.ok(failed && linked && retried && lost && twice && refused);
    await db.keyedTransaction((tx) => queue.endClaims(tx, [lost]));
    const later = { kind: "retry", failure: { code: "storage_failed", detail: "", retry: true }, delayMs: 1_000 } as const;
    const outcomes = [
      { ...givenUp(failed), placed: [placeOf(failed, "1")] },
      { ...done(linked), placed: [placeOf(linked, "1"), placeOf(linked, "linked")] },
      { ...outcomeOf(retried, later), placed: [placeOf(retried, "1")] },
      { ...givenUp(lost), placed: [placeOf(lost, "1")] },
      { ...givenUp(twice), placed: [placeOf(twice, "1")] },
      { ...done(twice), placed: [placeOf(twice, "1")] },
    ];
    await Promise.all(outcomes.map((outcome) => settler.settle(outcome)));
    await settler.settle({
      ...done(refused),
      placed: [placeOf(refused, "1")],
      source: { ...SOURCE, finalUrl: "https://shop.test/\u0000" },
    });
    assert.deepEqual(removed.toSorted(), ["done 1-linked.jpg", "failed 0-1.jpg", "failed 5-1.jpg"]);
    await db.executor.executeSql("delete from pgboss.job");
  });

  test("an error that passes costs an outcome nothing but time", async () => {
    const batchId = await load(distinct(2, "passing"));
    const codes = ["57014", "40P01", "25006"];
    const settler = createTestSettler(
      { db, queue },
      {
        onError: () => {},
        transaction: async (work) => {
          const code = codes.shift();
          if (code) throw Object.assign(new Error("not now"), { code });
          return db.keyedTransaction(work);
        },
      },
    );
    await Promise.all((await claim(2)).map((held) => settler.settle(done(held))));
    const row = await batchRow(batchId);
    assert.deepEqual([row["images_done"], row["images_failed"], codes.length], [2, 0, 0]);
  });

  test("what waits for its time does not hold the clock of fairness", async () => {
    await db.executor.executeSql("delete from pgboss.job");
    await db.transaction((tx) =>
      queue.sendImages(tx, [
        { data: { batchId: randomUUIDv7(), ordinal: 0 }, priority: -3, delayMs: 600_000 },
        { data: { batchId: randomUUIDv7(), ordinal: 0 }, priority: -500 },
      ]),
    );
    assert.equal(await db.transaction((tx) => queue.headTag(tx)), 500);
    await db.executor.executeSql("delete from pgboss.job");
  });

  test("a page of products is cut where it holds many images, and the pages together are the file", async () => {
    const batchId = await load(
      Array.from({ length: 50 }, (_, product) => Array.from({ length: 900 }, (_, index) => `https://shop.test/${product}/${index}.jpg`)),
    );
    const seen: string[] = [];
    let pages = 0;
    for (let afterLine: number | null = 0; afterLine !== null; pages += 1) {
      const page: ProductPage = await listProducts(db.executor, batchId, { afterLine, limit: 10_000 });
      assert.ok(page.products.flatMap(({ urls }) => urls).length <= 21_000);
      seen.push(...page.products.map(({ serial }) => serial));
      afterLine = page.nextLine;
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 50 }, (_, index) => String(index + 1)),
    );
    assert.equal(pages, 3);
    await db.executor.executeSql("delete from pgboss.job");
  });

  test("a small batch that comes late is not behind all of a big one", async () => {
    await load(distinct(5_000, "big"));
    const big = (await claim(1))[0];
    assert.ok(big);
    await planBatch({ transaction: db.keyedTransaction, queue }, big.data.batchId, AbortSignal.timeout(30_000));
    const small = await load(distinct(20, "small"));
    const claims = await claim(400);
    const lastOfSmall = claims.findLastIndex(({ data }) => data.batchId === small);
    assert.equal(claims.filter(({ data }) => data.batchId === small).length, 20);
    assert.ok(lastOfSmall < 300, `the small batch was through after ${lastOfSmall} of the big one's 5,000 queued images`);
    await db.executor.executeSql("delete from pgboss.job");
  });

  test("an attempt takes no longer or shorter in the reports where its machine's clock is set meanwhile", async (t) => {
    const batchId = await load(distinct(1, "set"));
    const [held] = await claim(1);
    assert.ok(held);
    const outcome = done(held);
    const setClock = t.mock.method(Date, "now", () => performance.timeOrigin + performance.now() + 7_200_000);
    await settlerOf().settle(outcome);
    setClock.mock.restore();
    const { rows } = await db.executor.executeSql(
      `select finished_at - started_at between interval '0' and interval '1 minute' as "tookNoTime" from image where batch_id = $1`,
      [batchId],
    );
    assert.deepEqual(rows, [{ tookNoTime: true }]);
    await db.executor.executeSql("delete from pgboss.job");
  });

  test("what an outcome has to wait for until it is written makes its attempt no earlier in the reports", async () => {
    const [[first], [second]] = distinct(2, "late") as [[string], [string]];
    const batchId = await load([[first, second, first]]);
    const claims = (await claim(2)).toSorted((one, other) => one.data.ordinal - other.data.ordinal);
    const later = { kind: "retry", failure: { code: "server_error", detail: "503", retry: true }, delayMs: 60_000 } as const;
    const outcomes = claims.map((held) => (held.data.ordinal === 0 ? done(held) : outcomeOf(held, later)));
    let begunAt: unknown;
    const keyedTransaction: Database["keyedTransaction"] = (work) =>
      db.keyedTransaction(async (tx) => {
        begunAt = (await tx.executor.executeSql("select clock_timestamp()::text as now")).rows[0]?.["now"];
        for (const outcome of outcomes) outcome.startedAtMs = performance.now();
        return work(tx);
      });
    const settler = createTestSettler({ db: { keyedTransaction }, queue });
    await Promise.all(outcomes.map((outcome) => settler.settle(outcome)));
    const { rows } = await db.executor.executeSql(
      `select ordinal, started_at >= $2::timestamptz as "isAfter", finished_at >= coalesce(started_at, $2::timestamptz) as "isInOrder" from (
         select ordinal, started_at, finished_at from report.image_attempts where batch_id = $1
         union all select ordinal, started_at, finished_at from report.images where batch_id = $1 and is_repeat) as stamps order by ordinal`,
      [batchId, begunAt],
    );
    assert.deepEqual(rows, [
      { ordinal: 0, isAfter: true, isInOrder: true },
      { ordinal: 1, isAfter: true, isInOrder: true },
      { ordinal: 2, isAfter: null, isInOrder: true },
    ]);
    await db.executor.executeSql("delete from pgboss.job");
  });

  test("job rows deleted by hand are sent again by the reconciler, and nothing else is", async () => {
    const planned = await load(distinct(50, "lost"));
    const unplanned = await load(distinct(300, "unplanned"));
    const settled = await load([["nowhere"], ["https://shop.test/x.jpg"]]);
    const settler = settlerOf();
    const all = await claim(10_000);
    await Promise.all(all.filter(({ data }) => data.batchId === settled).map((claim) => settler.settle(done(claim))));
    await db.executor.executeSql("delete from pgboss.job");

    // What changed a moment ago may be on its way and is left alone.
    assert.deepEqual(await reconcile({ transaction: db.transaction, queue }), { images: 0, batches: 0, deliveries: 0, setBack: null });
    await db.executor.executeSql("update image set queued_at = now() - interval '2 minutes'");
    await db.executor.executeSql("update batch set created_at = now() - interval '2 minutes'");
    await db.executor.executeSql("update batch set status = 'completed' where batch_id <> all($1::uuid[])", [
      [planned, unplanned, settled],
    ]);
    assert.deepEqual(await reconcile({ transaction: db.transaction, queue }), { images: 150, batches: 2, deliveries: 0, setBack: null });
    assert.equal(await jobsOf("image", planned), 50);
    assert.equal(await jobsOf("image", unplanned), 100);
    assert.equal(await jobsOf("plan", unplanned), 1);
    assert.equal(await jobsOf("finish", settled), 1);
    assert.deepEqual(await reconcile({ transaction: db.transaction, queue }), { images: 0, batches: 0, deliveries: 0, setBack: null });
  });
});
