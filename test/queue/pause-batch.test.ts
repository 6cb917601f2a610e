import assert from "node:assert/strict";
import { randomUUIDv7 } from "node:crypto";
import { before, beforeEach, describe, test } from "node:test";
import { findClaimedImages } from "../../src/db/claimed-images.ts";
import type { Database } from "../../src/db/connection/connect.ts";
import type { BudgetChange } from "../../src/db/pause-batch.ts";
import { PAUSED_BY_HAND } from "../../src/domain/batch/failure-budget.ts";
import { TAG_IMAGES } from "../../src/domain/load/fair-tag.ts";
import type { ImageCode } from "../../src/domain/image/image-code.ts";
import { pauseBatch, pauseOverBudget } from "../../src/queue/pause-batch.ts";
import type { Claim } from "../../src/queue/image-jobs.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { resumeBatch } from "../../src/queue/resume-batch.ts";
import { planBatch } from "../../src/worker/plan-batch.ts";
import { reconcile } from "../../src/worker/reconcile.ts";
import { createComeImages } from "../../src/worker/settle/come-images.ts";
import type { Settler } from "../../src/worker/settle/settler.ts";
import { eventually } from "../support/eventually.ts";
import { loadCatalogue, someEndpoint } from "../support/load-catalogue.ts";
import { openJobs, outcomeOf, untriedOf } from "../support/outcomes.ts";
import { claimsByImage, createTestSettler, openTestQueue } from "../support/queue.ts";

/** Of a file whose size was read, as it is before it comes to an encoder. */
const SOURCE = {
  finalUrl: "https://cdn.test/",
  httpStatus: 200,
  sourceType: "image/jpeg",
  sourceBytes: 5,
  sha256: "00",
  etag: null,
  lastModified: null,
  sourceWidth: 2,
  sourceHeight: 1,
};
const failure = (code: ImageCode) => ({ code, detail: "so it is", retry: false });

/** The database's side of pausing, without the network and a worker's clock. */
describe("pausing and resuming", () => {
  let db: Database;
  let queue: Queue;
  let claim: (count: number) => Promise<Claim[]>;
  let settler: Settler;
  before(async () => {
    ({ db, queue } = await openTestQueue());
    claim = claimsByImage({ db, queue });
    settler = createTestSettler(
      { db, queue },
      {
        pause: (tx, batchId, spent) => pauseOverBudget(tx, deps(), batchId, spent),
      },
    );
  });
  beforeEach(async () => {
    await db.executor.executeSql("delete from pgboss.job");
    await db.executor.executeSql("update batch set status = 'completed'");
  });

  const deps = () => ({ queue, publicUrl: () => "http://127.0.0.1" });
  const load = (urls: readonly string[], pauseAtFailurePercent: number | null = 30) =>
    loadCatalogue(
      { db, queue },
      urls.map((url) => [url]),
      { pauseAtFailurePercent, endpoint: someEndpoint() },
    );
  const urls = (count: number, host = "cdn.test") => Array.from({ length: count }, (_, index) => `https://${host}/${index}.jpg`);
  const rowsOf = async (sql: string, ...values: unknown[]) => (await db.executor.executeSql(sql, values)).rows;
  const batchRow = async (batchId: string) => (await rowsOf("select * from batch where batch_id = $1", batchId))[0] ?? {};
  const isPaused = async (batchId: string) => (await batchRow(batchId))["paused_at"] !== null;
  const jobs = (batchId: string, name?: string) => openJobs(db, batchId, name);
  const openFirsts = async (batchId: string) =>
    (await rowsOf("select ordinal from image where batch_id = $1 and state = 'planned' and same_as is null order by 1", batchId)).map(
      ({ ordinal }) => ordinal,
    );
  const done = (claim: Claim) => settler.settle(outcomeOf(claim, { kind: "done", result: { outputs: [], isReused: false } }));
  const fail = (claim: Claim, code: ImageCode = "forbidden") =>
    settler.settle(outcomeOf(claim, { kind: "give_up", failure: failure(code) }));
  const shelve = (claim: Claim) => settler.settle(untriedOf(claim, { kind: "shelve" }));
  const pause = (batchId: string) => db.transaction((tx) => pauseBatch(tx, deps(), batchId, PAUSED_BY_HAND));
  const resume = (batchId: string, change: BudgetChange = {}) => db.transaction((tx) => resumeBatch(tx, deps(), batchId, change));
  const plan = (batchId: string) => planBatch({ transaction: db.keyedTransaction, queue }, batchId, AbortSignal.timeout(30_000));
  const makeStale = async () => {
    await rowsOf("update image set queued_at = now() - interval '2 minutes'");
    await rowsOf("update batch set created_at = now() - interval '2 minutes'");
  };
  const reconciled = () => reconcile({ transaction: db.transaction, queue });
  const all = (claims: readonly Claim[], settle: (claim: Claim) => Promise<void>) => Promise.all(claims.map((held) => settle(held)));

  test("the failure that is one too many pauses the batch, takes its jobs from the queue and is announced; what is in hand still counts", async () => {
    const batchId = await load(urls(250));
    await plan(batchId);
    const claims = await claim(30);
    await all(claims.slice(0, 13), done);
    await all(claims.slice(13, 19), fail);
    assert.equal(await isPaused(batchId), false, "6 of 19 are too few to tell");
    await all(claims.slice(19, 20), (held) => fail(held, "not_found"));
    assert.equal(await isPaused(batchId), true, "7 of 20 are more than 30 %");

    assert.deepEqual(
      (await jobs(batchId)).map(({ state }) => state),
      Array.from({ length: 10 }, () => "active"),
    );
    await all(claims.slice(20), fail);
    const row = await batchRow(batchId);
    assert.deepEqual(
      [row["status"], row["images_done"], row["images_failed"], row["images_queued"], row["budget_settled"]],
      ["processing", 13, 17, 220, 30],
    );
    assert.equal(
      row["pause_reason"],
      "7 of 20 images failed (35 %), more than the 30 % that pauseAtFailurePercent allows; mostly forbidden from cdn.test.",
    );

    const events = await rowsOf(
      "select type, sequence, body::jsonb as body from event join delivery using (event_id) where batch_id = $1",
      batchId,
    );
    assert.equal(events.length, 1, "once, however much fails after that");
    const event = events[0]?.["body"] as { type: string; data: Record<string, unknown> } | undefined;
    assert.deepEqual(
      [event?.type, event?.data["pauseReason"], event?.data["outcome"], event?.data["progress"]],
      ["batch.paused", row["pause_reason"], null, { total: 250, completed: 13, failed: 7, skipped: 0, reused: 0 }],
    );
    const [deliveryJobs] = await rowsOf(
      "select count(*)::int as n from pgboss.job j join event e on j.data->>'eventId' = e.event_id::text where name = 'deliver' and batch_id = $1",
      batchId,
    );
    assert.equal(deliveryJobs?.["n"], 1);
  });

  /** A settler of a process, and what comes well in it. */
  const startProcess = () => {
    const come = createComeImages();
    const its = createTestSettler({ db, queue }, { pause: (tx, batchId, spent) => pauseOverBudget(tx, deps(), batchId, spent), come });
    return {
      comes: (claims: readonly Claim[], round = 0) => claims.forEach((held) => come.add(held, { host: "cdn.test", round })),
      fail: (held: Claim, round?: number) => its.settle(outcomeOf(held, { kind: "give_up", failure: failure("not_found") }, round)),
      failLate: (held: Claim) => its.settle({ ...outcomeOf(held, { kind: "give_up", failure: failure("corrupt_image") }), source: SOURCE }),
      async done(held: Claim) {
        await its.settle(outcomeOf(held, { kind: "done", result: { outputs: [], isReused: false } }));
        come.remove(held);
      },
    };
  };
  test("what comes well in any process counts as tried: what fails at once does not spend the budget before that is settled", async () => {
    const batchId = await load(urls(250));
    await plan(batchId);
    const [one, other] = [startProcess(), startProcess()];
    const claims = await claim(100);
    const [here, there, failing] = [claims.slice(0, 40), claims.slice(40, 70), claims.slice(70)];
    one.comes(here);
    other.comes(there);
    await all(failing.slice(0, 15), (held) => one.fail(held));
    await all(failing.slice(15, 29), (held) => other.fail(held));
    assert.equal(await isPaused(batchId), false, "29 failed of 99 that were tried");
    await all(here.slice(0, 20), one.done);
    await all(there.slice(0, 10), other.done);
    assert.equal(await isPaused(batchId), false, "as many were tried as before");
    await all(failing.slice(29), (held) => one.fail(held));
    assert.equal(await isPaused(batchId), false, "30 of 100");
    await all(await claim(1), (held) => other.fail(held));
    assert.equal((await batchRow(batchId))["pause_reason"]?.toString().split(" images")[0], "31 of 101");
    // Each image counts once, however it went on.
    await all(here.slice(20), one.done);
    const row = await batchRow(batchId);
    assert.deepEqual([row["budget_settled"], row["budget_failed"], row["images_done"]], [81, 31, 50]);
  });

  test("what came well in a process that was killed is forgotten after a minute", async () => {
    const batchId = await load(urls(100));
    const [killed, other] = [startProcess(), startProcess()];
    const claims = await claim(100);
    killed.comes(claims.slice(0, 60));
    await killed.fail(claims[60] ?? assert.fail());
    await all(claims.slice(61, 85), (held) => other.fail(held));
    assert.equal(await isPaused(batchId), false, "25 of 85");
    await rowsOf(
      "update batch set budget_come = (select jsonb_object_agg(key, jsonb_build_array((value->>0)::bigint - 61, value->1)) from jsonb_each(budget_come)) where batch_id = $1",
      batchId,
    );
    await other.fail(claims[85] ?? assert.fail());
    assert.match(String((await batchRow(batchId))["pause_reason"]), /^26 of 26 images failed \(100 %\)/);
  });

  test("where all fails in the encoders, what waits for one does not put the pause off", async () => {
    const batchId = await load(urls(250));
    const one = startProcess();
    const claims = await claim(100);
    one.comes(claims.slice(20));
    await all(claims.slice(0, 19), one.failLate);
    assert.equal(await isPaused(batchId), false);
    await all(claims.slice(19, 20), one.failLate);
    assert.match(String((await batchRow(batchId))["pause_reason"]), /^20 of 20 images that had come failed \(100 %\), more than the 30 %/);
  });

  test("what was claimed before a resume does not count after it", async () => {
    const batchId = await load(urls(250));
    const one = startProcess();
    const roundOf = async ({ data }: Claim) => (await db.transaction((tx) => findClaimedImages(tx, [data])))[0]?.batch.round ?? -1;
    const claims = await claim(100);
    const before = await roundOf(claims[99] ?? assert.fail());
    await all(claims.slice(0, 25), (held) => one.fail(held, before));
    assert.equal(await isPaused(batchId), true);
    assert.ok(await resume(batchId));
    one.comes(claims.slice(75), before);
    await all(claims.slice(25, 75), (held) => one.fail(held, before));
    const row = await batchRow(batchId);
    assert.deepEqual([row["paused_at"], row["budget_settled"], row["images_failed"]], [null, 0, 75]);

    await plan(batchId);
    const younger = await claim(25);
    const after = await roundOf(younger[0] ?? assert.fail());
    await all(younger, (held) => one.fail(held, after));
    assert.match(String((await batchRow(batchId))["pause_reason"]), /^2\d of 2\d images failed \(100 %\)/);
  });

  test("what was known before and what cost no try does not spend the budget", async () => {
    const batchId = await load([
      ...Array.from({ length: 30 }, () => "nowhere"),
      ...Array.from({ length: 40 }, () => "https://cdn.test/placeholder.jpg"),
      ...urls(30),
    ]);
    const claims = await claim(100);
    const placeholder = claims.filter(({ data }) => data.ordinal === 30);
    await all(placeholder, fail);
    await all(claims.filter((held) => !placeholder.includes(held)).slice(0, 25), done);
    const row = await batchRow(batchId);
    assert.deepEqual(
      [row["images_failed"], row["images_done"], row["budget_settled"], row["budget_failed"], row["paused_at"]],
      [70, 25, 26, 1, null],
    );
  });

  test("neither the reconciler nor the planner touches what is paused, and its claims are put back without a try", async () => {
    const batchId = await load(urls(250));
    const other = await load(urls(3, "other.test"));
    assert.ok(await pause(batchId));
    await makeStale();
    assert.equal(await pause(batchId), null, "it is paused already");
    await plan(batchId);
    await rowsOf("delete from pgboss.job where name = 'plan'");
    assert.deepEqual(await reconciled(), { images: 0, batches: 0, deliveries: 0, setBack: null });
    assert.deepEqual([(await jobs(batchId)).length, (await jobs(other)).length, (await openFirsts(batchId)).length], [0, 3, 100]);

    // A job that slipped through, as the reconciler of a moment before could have sent it.
    await rowsOf("delete from pgboss.job");
    await db.transaction((tx) => queue.sendImages(tx, [{ data: { batchId, ordinal: 7 }, priority: 0 }]));
    const [slipped] = await claim(10);
    assert.ok(slipped);
    const [image] = await db.keyedTransaction((tx) => findClaimedImages(tx, [slipped.data]));
    assert.deepEqual([image?.isPaused, image?.batch.isPending], [true, false]);
    await shelve(slipped);
    assert.deepEqual(await jobs(batchId), []);
    assert.deepEqual(await rowsOf("select state, attempts from image where batch_id = $1 and ordinal = 7", batchId), [
      { state: "planned", attempts: 0 },
    ]);
  });

  test("a resume queues each open image once, whoever else resumes: jobs and open images are the same", async () => {
    const batchId = await load(urls(250));
    await plan(batchId);
    const claims = await claim(20);
    await all(claims.slice(0, 5), done);
    await settler.settle(outcomeOf(claims[5] as Claim, { kind: "retry", failure: failure("timed_out"), delayMs: 600_000 }));
    await pause(batchId);
    // In hand while it is paused: one comes back for later, the others are still being worked.
    await settler.settle(outcomeOf(claims[6] as Claim, { kind: "retry", failure: failure("timed_out"), delayMs: 600_000 }));
    assert.equal((await jobs(batchId)).length, 14);
    await db.transaction((tx) => queue.sendImages(tx, [{ data: { batchId: randomUUIDv7(), ordinal: 0 }, priority: -500 }]));

    await rowsOf("delete from pgboss.job where name = 'plan'");
    const resumed = await Promise.all([resume(batchId), resume(batchId), resume(batchId)]);
    assert.equal(resumed.filter((row) => row !== null).length, 1);
    assert.equal(await resume(batchId), null);
    const queued = await jobs(batchId);
    assert.deepEqual(
      queued.map(({ ordinal }) => ordinal),
      await openFirsts(batchId),
    );
    assert.equal(queued.length, 245);
    assert.deepEqual(
      queued.filter(({ later }) => later).map(({ ordinal }) => ordinal),
      [5, 6],
      "a delay outlives the pause",
    );
    const waiting = queued.filter(({ state, later }) => state === "created" && !later);
    const priorities = [...new Set(waiting.map(({ priority }) => priority))];
    assert.deepEqual(
      priorities,
      priorities.map((_, index) => -501 - index),
      "beside what is served now and not before it",
    );
    for (const each of priorities) assert.ok(waiting.filter(({ priority }) => priority === each).length <= TAG_IMAGES, "a few at a time");
    assert.equal((await jobs(batchId, "plan")).length, 0, "nothing was left to plan");
    assert.deepEqual(await rowsOf("select type, sequence from event where batch_id = $1 order by sequence", batchId), [
      { type: "batch.paused", sequence: 1 },
      { type: "batch.resumed", sequence: 2 },
    ]);
  });

  test("of two events the later one has the later time, whichever transaction began first", async () => {
    const batchId = await load(urls(3));
    await plan(batchId);
    await pause(batchId);
    await db.transaction(async (tx) => {
      const began = (await tx.executor.executeSql("select now() as at")).rows[0]?.["at"] as Date;
      await eventually("the clock to go on", async () => ((await rowsOf("select now() as at"))[0]?.["at"] as Date) > began);
      await resume(batchId);
      await pauseBatch(tx, deps(), batchId, PAUSED_BY_HAND);
    });
    const events = await rowsOf(
      `select type, body::jsonb->>'timestamp' as at, created_at as "createdAt" from event where batch_id = $1 order by sequence`,
      batchId,
    );
    assert.deepEqual(
      events.map(({ type }) => type),
      ["batch.paused", "batch.resumed", "batch.paused"],
    );
    const times = events.map(({ at }) => String(at));
    assert.deepEqual(times, times.toSorted());
    assert.deepEqual(
      events.map(({ createdAt }) => (createdAt as Date).toISOString()),
      times,
    );
  });

  test("what was not planned when it was paused is planned after it is resumed", async () => {
    const batchId = await load(urls(250));
    await pause(batchId);
    await plan(batchId);
    await resume(batchId);
    assert.equal((await jobs(batchId, "plan")).length > 0, true);
    await plan(batchId);
    assert.equal((await jobs(batchId)).length, 250);
    assert.deepEqual(
      (await jobs(batchId)).map(({ ordinal }) => ordinal),
      await openFirsts(batchId),
    );
  });

  test("a claim of a paused batch that is put back after the resume saw it goes on", async () => {
    const batchId = await load(urls(3));
    const claims = await claim(3);
    await pause(batchId);
    await resume(batchId);
    await all(claims, shelve);
    assert.deepEqual(
      (await jobs(batchId)).map(({ ordinal, state }) => [ordinal, state]),
      [
        [0, "created"],
        [1, "created"],
        [2, "created"],
      ],
    );
  });

  test("after a resume the budget counts anew, under another percentage where one is given", async () => {
    const batchId = await load(urls(120));
    await plan(batchId);
    await all(await claim(20), fail);
    assert.equal(await isPaused(batchId), true);
    await resume(batchId);
    await all(await claim(14), done);
    await all(await claim(5), (held) => fail(held, "timed_out"));
    assert.equal(await isPaused(batchId), false);
    await resume(batchId, { percent: 10 });
    await all(await claim(2), (held) => fail(held, "timed_out"));
    const row = await batchRow(batchId);
    assert.match(
      String(row["pause_reason"]),
      /^7 of 21 images failed \(33 %\), more than the 30 % .+; mostly timed_out from cdn\.test\.$/,
      "one that is not paused keeps its budget, and what failed before is forgotten",
    );

    await resume(batchId, { percent: 60 });
    await all(await claim(20), (held) => (held.data.ordinal % 2 === 0 ? done(held) : fail(held)));
    assert.deepEqual([await isPaused(batchId), (await batchRow(batchId))["pause_at_failure_percent"]], [false, 60]);
    await pause(batchId);
    await resume(batchId, { percent: null });
    await all(await claim(30), fail);
    assert.deepEqual([await isPaused(batchId), (await batchRow(batchId))["pause_at_failure_percent"]], [false, null]);
  });

  test("a batch whose last image is settled is finished and not paused, and not held up by a pause", async () => {
    const whole = await load(urls(20));
    await all(await claim(100), fail);
    assert.deepEqual([await isPaused(whole), (await jobs(whole, "finish")).length], [false, 1]);
    assert.equal(await pause(whole), null, "there is nothing left to hold back");

    const inHand = await load(urls(22));
    const claims = await claim(100);
    await all(claims.slice(0, 20), fail);
    assert.equal(await isPaused(inHand), true);
    await all(claims.slice(20), done);
    assert.equal((await jobs(inHand, "finish")).length, 1);
    await rowsOf("delete from pgboss.job");
    await makeStale();
    await reconciled();
    assert.equal((await jobs(inHand, "finish")).length, 1, "a finish job that is lost is sent again");
  });

  test("pauses and resumes in the middle of everything lose nothing and try nothing twice", async (t) => {
    const batchIds = [await load(urls(400, "a.test"), null), await load(urls(400, "b.test"), null)];
    for (const batchId of batchIds) await plan(batchId);
    const tries = new Map<string, number>();
    let isOver = false;
    const workClaim = async (held: Claim, isHeldBack: boolean) => {
      if (isHeldBack) return shelve(held);
      const key = `${held.data.batchId}/${held.data.ordinal}`;
      tries.set(key, (tries.get(key) ?? 0) + 1);
      return tries.size % 3 === 0 ? fail(held) : done(held);
    };
    const work = async () => {
      while (!isOver) {
        const { claims, images } = await db.keyedTransaction(async (tx) => {
          const { claims } = await queue.claimImages(tx, 15);
          return {
            claims,
            images: await findClaimedImages(
              tx,
              claims.map(({ data }) => data),
            ),
          };
        });
        const heldBack = new Set(images.filter((image) => image.isPaused).map(({ batchId, ordinal }) => `${batchId}/${ordinal}`));
        await Promise.all(claims.map((held) => workClaim(held, heldBack.has(`${held.data.batchId}/${held.data.ordinal}`))));
      }
    };
    const meddle = async (batchId: string) => {
      let changes = 0;
      while ((await openFirsts(batchId)).length > 0) {
        if (await pause(batchId)) changes += 1;
        await Promise.all([resume(batchId), resume(batchId)]);
      }
      return changes;
    };
    const working = Promise.all([work(), work(), work()]);
    const changes = await Promise.all(batchIds.map(meddle)).finally(() => (isOver = true));
    await working;
    t.diagnostic(`paused ${changes.join(" and ")} times`);
    assert.ok(
      changes.every((count) => count > 3),
      `paused ${changes.join(" and ")} times`,
    );
    assert.deepEqual([tries.size, [...tries.values()].filter((count) => count > 1)], [800, []]);
    for (const batchId of batchIds) {
      const row = await batchRow(batchId);
      const [counted] = await rowsOf(
        "select count(*) filter (where state = 'done')::int as done, count(*) filter (where state = 'failed')::int as failed, max(attempts) as attempts from image where batch_id = $1",
        batchId,
      );
      assert.deepEqual(counted, { done: row["images_done"], failed: row["images_failed"], attempts: 1 });
      assert.deepEqual(
        [
          row["images_queued"],
          row["budget_failed"] === row["images_failed"],
          (await jobs(batchId)).length,
          (await jobs(batchId, "finish")).length,
        ],
        [0, false, 0, 1],
      );
    }
  });
});
