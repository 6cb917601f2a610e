import assert from "node:assert/strict";
import { createHash, randomUUIDv7 } from "node:crypto";
import { join } from "node:path";
import { before, beforeEach, describe, test } from "node:test";
import { findBatch, lockBatch, type BatchRow } from "../../src/db/batches.ts";
import { findClaimedImages } from "../../src/db/claimed-images.ts";
import type { Database, Transaction, Tx } from "../../src/db/connection/connect.ts";
import type { BudgetChange } from "../../src/db/pause-batch.ts";
import { BUDGET_SETTLED_MIN, PAUSED_BY_HAND } from "../../src/domain/batch/failure-budget.ts";
import { DEFAULT_TENANT_ID } from "../../src/domain/ids.ts";
import { TAG_IMAGES } from "../../src/domain/load/fair-tag.ts";
import type { ImageCode } from "../../src/domain/image/image-code.ts";
import { cancelBatch } from "../../src/queue/cancel-batch.ts";
import { countShares, pauseStandingStill } from "../../src/queue/hold-share.ts";
import { pauseBatch, pauseOverBudget } from "../../src/queue/pause-batch.ts";
import { QUEUED_LOW_WATER, QUEUED_MAX } from "../../src/queue/plan-page.ts";
import type { Claim } from "../../src/queue/image-jobs.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { resumeBatch, resumeShare } from "../../src/queue/resume-batch.ts";
import { finishBatch } from "../../src/worker/finish-batch.ts";
import { planBatch } from "../../src/worker/plan-batch.ts";
import { reconcile } from "../../src/worker/reconcile.ts";
import { createComeImages } from "../../src/worker/settle/come-images.ts";
import type { Settler } from "../../src/worker/settle/settler.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { loadCatalogue, someEndpoint } from "../support/load-catalogue.ts";
import { openJobs, outcomeOf, untriedOf } from "../support/outcomes.ts";
import { claimsByImage, createTestSettler, openTestQueue } from "../support/queue.ts";

const [BAD, GOOD] = ["bad.test", "good.test"];
type Budgets = { host?: number | null; batch?: number | null };

/** The database's side of pausing one host's share of a batch, without the network and a worker's clock. */
/** The files of batches of which there are none. */
const NO_OUTPUTS = { listOutputNames: async function* () {}, removeOutput: () => assert.fail() };

describe("a host's share of a batch", () => {
  let db: Database;
  let queue: Queue;
  let claim: (count: number) => Promise<Claim[]>;
  let folder: string;
  let settler: Settler;
  const come = createComeImages();
  before(async () => {
    ({ db, queue } = await openTestQueue());
    claim = claimsByImage({ db, queue });
    folder = await createTestFolder();
    settler = createTestSettler(
      { db, queue },
      {
        pause: (tx, batchId, spent) => pauseOverBudget(tx, deps(), batchId, spent),
        countShares: (tx, state, tried) => countShares(tx, deps(), state, tried),
        come,
      },
    );
  });
  beforeEach(async () => {
    await rowsOf("delete from pgboss.job");
    await rowsOf("update batch set status = 'completed'");
  });

  const deps = () => ({ queue, publicUrl: () => "http://127.0.0.1" });
  const rowsOf = async (sql: string, ...values: unknown[]) => (await db.executor.executeSql(sql, values)).rows;
  const load = (urls: readonly string[], { host = 30, batch = null }: Budgets = {}) =>
    loadCatalogue(
      { db, queue },
      urls.map((url) => [url]),
      { pauseAtFailurePercent: batch, pauseHostAtFailurePercent: host, endpoint: someEndpoint() },
    );
  const urlsOf = (host: string, count: number, name = "i") =>
    Array.from({ length: count }, (_, index) => `https://${host}/${name}${index}.jpg`);
  /** One of each host in turn, as far as they go. */
  const mixed = (...lists: string[][]) =>
    Array.from({ length: Math.max(...lists.map(({ length }) => length)) }, (_, index) =>
      lists.flatMap((list) => list.slice(index, index + 1)),
    ).flat();
  const batchOf = async (batchId: string): Promise<BatchRow> => (await findBatch(db.executor, DEFAULT_TENANT_ID, batchId)) ?? assert.fail();
  const jobs = (batchId: string, name?: string) => openJobs(db, batchId, name);
  const openFirsts = async (batchId: string, host?: string) =>
    (
      await rowsOf(
        "select ordinal from image where batch_id = $1 and state = 'planned' and same_as is null and ($2::text is null or host = $2) order by 1",
        batchId,
        host ?? null,
      )
    ).map(({ ordinal }) => Number(ordinal));
  const heldOf = async (batchId: string) =>
    (await rowsOf("select ordinal from held_image where batch_id = $1 order by 1", batchId)).map(({ ordinal }) => Number(ordinal));
  const eventsOf = async (batchId: string) =>
    (await rowsOf("select type, body::jsonb->'data' as data from event where batch_id = $1 order by sequence", batchId)) as {
      type: string;
      data: Record<string, unknown> & { pausedHost: Record<string, unknown> | null };
    }[];
  const done = (held: Claim) => settler.settle(outcomeOf(held, { kind: "done", result: { outputs: [], isReused: false } }));
  const failure = (code: ImageCode) => ({ code, detail: "so it is", retry: false });
  const fail = (held: Claim, code: ImageCode = "forbidden") => settler.settle(outcomeOf(held, { kind: "give_up", failure: failure(code) }));
  const later = (held: Claim) => settler.settle(outcomeOf(held, { kind: "retry", failure: failure("timed_out"), delayMs: 600_000 }));
  const shelve = (held: Claim) => settler.settle(untriedOf(held, { kind: "shelve" }));
  const all = (claims: readonly Claim[], settle: (held: Claim) => Promise<void>) => Promise.all(claims.map((held) => settle(held)));
  /** With all that it sends itself to go on. */
  const plan = async (batchId: string) => {
    let isOver = false;
    while (!isOver) {
      isOver = true;
      await planBatch(
        { transaction: db.keyedTransaction, queue: { ...queue, sendPlan: async () => void (isOver = false) } },
        batchId,
        AbortSignal.timeout(60_000),
      );
    }
  };
  const pause = (batchId: string) => db.transaction((tx) => pauseBatch(tx, deps(), batchId, PAUSED_BY_HAND));
  const resume = (batchId: string, change: BudgetChange = {}) => db.transaction((tx) => resumeBatch(tx, deps(), batchId, change));
  const resumeHost = (batchId: string, host = BAD, percent?: number | null) =>
    db.transaction((tx) => resumeShare(tx, deps(), batchId, host, percent));
  const finish = (batchId: string) =>
    finishBatch(
      {
        db,
        queue,
        storage: { tempPath: () => join(folder, randomUUIDv7()), keepResult: async () => {}, discard: async () => {}, ...NO_OUTPUTS },
        publicUrl: () => "http://127.0.0.1",
      },
      { batchId, run: 1 },
      AbortSignal.timeout(30_000),
    );
  const reconciled = async () => {
    await rowsOf("update image set queued_at = now() - interval '2 minutes'");
    await rowsOf("update batch set created_at = now() - interval '2 minutes'");
    return reconcile({ transaction: db.transaction, queue });
  };
  const claimOf = async (limit: number) => {
    const { claims, images } = await db.keyedTransaction(async (tx) => {
      const { claims } = await queue.claimImages(tx, limit);
      return {
        claims,
        images: await findClaimedImages(
          tx,
          claims.map(({ data }) => data),
        ),
      };
    });
    const byKey = new Map(images.map((image) => [`${image.batchId}/${image.ordinal}`, image]));
    return claims.map((held) => ({ held, image: byKey.get(`${held.data.batchId}/${held.data.ordinal}`) }));
  };
  const isBad = ({ image }: { image?: { host: string } | undefined }) => image?.host === BAD;
  /** Settles what can be claimed as the hosts do, as the pump does: what is paused is put back. */
  const work = async (settleBad: (held: Claim) => Promise<void>, limit = 100) => {
    const claims = await claimOf(limit);
    await Promise.all(claims.map((one) => (one.image?.isPaused ? shelve(one.held) : isBad(one) ? settleBad(one.held) : done(one.held))));
    return claims.length;
  };
  /** Whatever happened, every open first is somewhere, once, and the counters say where. */
  const assertNothingLost = async (batchId: string) => {
    const [queued, held, open, row] = [
      (await jobs(batchId)).map(({ ordinal }) => ordinal),
      await heldOf(batchId),
      await openFirsts(batchId),
      await batchOf(batchId),
    ];
    assert.deepEqual(
      [...queued, ...held].toSorted((a, b) => a - b),
      open,
    );
    assert.deepEqual([row.imagesQueued, row.imagesHeld + row.imagesDue], [queued.length, held.length]);
    const [backlog] = await rowsOf(
      "select images_queued, images_held, hosts_paused, images_repeated, images_open - images_unplanned as planned, images_delayed, images_host_paused from report.backlog where batch_id = $1",
      batchId,
    );
    const [later] = await rowsOf(
      "select count(*)::int as n from image where batch_id = $1 and not_before > now() and state = 'planned' and not ordinal = any($2::int[])",
      batchId,
      row.hostsPaused > 0 ? held : [],
    );
    assert.deepEqual(backlog, {
      images_queued: row.imagesQueued + row.imagesDue,
      images_held: row.imagesHeld,
      hosts_paused: row.hostsPaused,
      images_repeated: 0,
      planned: open.length,
      images_delayed: later?.["n"],
      images_host_paused: 0,
    });
  };

  test("is not paused by what fails at once while what was asked for beside it comes well, nor by what was claimed before its resume", async () => {
    const batchId = await load([...urlsOf(BAD, 150), ...urlsOf(GOOD, 50)]);
    const claims = await claimOf(100);
    const failWith = (one: (typeof claims)[number]) =>
      settler.settle(outcomeOf(one.held, { kind: "give_up", failure: failure("forbidden") }, one.image?.batch.round));
    const coming = claims.slice(0, 60);
    for (const { held, image } of coming) come.add(held, { host: image?.host ?? "", round: image?.batch.round ?? -1 });
    await Promise.all(claims.slice(60, 85).map(failWith));
    assert.equal((await batchOf(batchId)).hostsPaused, 0, "25 of 85");
    coming.slice(30).forEach(({ held }) => come.remove(held));
    await Promise.all(claims.slice(85, 86).map(failWith));
    const [share] = (await batchOf(batchId)).pausedShares;
    assert.deepEqual([share?.settled, share?.failed], [26, 26]);
    assert.match(share?.pauseReason ?? "", /^26 of 56 images of bad\.test failed \(46 %\)/);

    assert.ok(await resumeHost(batchId));
    await Promise.all([...coming.slice(30), ...claims.slice(86)].map(failWith));
    assert.equal((await batchOf(batchId)).hostsPaused, 0, "44 that were claimed before");
    coming.slice(0, 30).forEach(({ held }) => come.remove(held));
    await plan(batchId);
    const younger = (await claimOf(100)).filter(isBad).slice(0, 25);
    assert.equal(younger.length, 25);
    await Promise.all(younger.map(failWith));
    assert.match((await batchOf(batchId)).pausedShares[0]?.pauseReason ?? "", /^2\d of 2\d images of bad\.test failed \(100 %\)/);
  });

  test("is paused by the failure that is one too many: its jobs leave the queue, the others' stay, and it is announced once", async () => {
    const batchId = await load(mixed(urlsOf(BAD, 50), urlsOf(GOOD, 50)));
    const claims = await claimOf(60);
    const bad = claims.filter(isBad).map(({ held }) => held);
    const [retried] = bad.splice(0, 1);
    assert.ok(retried);
    await later(retried);
    await all(bad.slice(0, 13), done);
    await all(bad.slice(13, 19), fail);
    assert.equal((await batchOf(batchId)).hostsPaused, 0, `6 of 19 are too few to tell: ${BUDGET_SETTLED_MIN}`);
    await fail(bad[19] as Claim, "not_found");

    const row = await batchOf(batchId);
    assert.deepEqual(
      [row.pausedAt, row.hostsPaused, row.imagesHeld, row.imagesDue],
      [null, 1, 21, 0],
      "20 waited for their turn, one for its time",
    );
    const [share] = row.pausedShares;
    assert.deepEqual([share?.host, share?.settled, share?.failed, share?.imagesHeld], [BAD, 20, 7, 21]);
    assert.equal(
      share?.pauseReason,
      "7 of 20 images of bad.test failed (35 %), more than the 30 % that pauseHostAtFailurePercent allows; mostly forbidden.",
    );
    await assertNothingLost(batchId);
    await rowsOf("insert into host_pause (host, paused_until, reason) values ($1, now() + interval '1 hour', 'timed_out')", BAD);
    const [backlog] = await rowsOf("select images_host_paused from report.backlog where batch_id = $1", batchId);
    await rowsOf("delete from host_pause");
    assert.equal(backlog?.["images_host_paused"], 9, "of those that are not held: in hand");
    const [image] = await rowsOf(
      "select code, not_before > now() as later from image where batch_id = $1 and ordinal = $2",
      batchId,
      retried.data.ordinal,
    );
    assert.deepEqual(image, { code: "timed_out", later: true });

    // In hand: it counts, and is not announced again; what is to be tried later is still there.
    await later(bad[20] as Claim);
    await all(bad.slice(21), fail);
    await assertNothingLost(batchId);
    const events = await eventsOf(batchId);
    assert.deepEqual(
      events.map(({ type }) => type),
      ["batch.host_paused"],
    );
    const pausedHost = {
      host: BAD,
      settled: 20,
      failed: 7,
      failedPercent: 35,
      pausedAt: new Date(share.pausedAt).toISOString(),
      pauseReason: share.pauseReason,
      imagesHeld: 21,
      resumeUrl: `http://127.0.0.1/v1/batches/${batchId}/resume?host=bad.test`,
    };
    assert.deepEqual(events[0]?.data.pausedHost, pausedHost);
    const [deliveries] = await rowsOf(
      "select count(*)::int as n from pgboss.job j join event e on j.data->>'eventId' = e.event_id::text where name = 'deliver' and batch_id = $1",
      batchId,
    );
    assert.equal(deliveries?.["n"], 1);
    await all(
      claims.filter((one) => !isBad(one)).map(({ held }) => held),
      done,
    );
    assert.deepEqual(
      (await batchOf(batchId)).pausedShares.map(({ settled, failed }) => [settled, failed]),
      [[28, 15]],
    );

    assert.ok(await resumeHost(batchId));
    await plan(batchId);
    await assertNothingLost(batchId);
    const delayed = (await jobs(batchId)).filter((job) => job.later).map(({ ordinal }) => ordinal);
    assert.deepEqual(
      delayed,
      [retried, bad[20]].map((held) => held?.data.ordinal).toSorted((a, b) => Number(a) - Number(b)),
      "a delay outlives the pause",
    );
  });

  test("counts what was tried, of its own host only, and needs as many as a batch does", async () => {
    const many = Array.from({ length: 60 }, (_, index) => `https://h${index}.test/a.jpg`);
    const batchId = await load([
      "nowhere",
      ...Array.from({ length: 40 }, () => `https://${BAD}/placeholder.jpg`),
      ...urlsOf(BAD, 18),
      ...many,
      ...urlsOf(GOOD, 30),
    ]);
    await plan(batchId);
    const claims = await claimOf(200);
    const failing = claims.filter(({ image }) => image?.host !== GOOD).map(({ held }) => held);
    await all(failing, fail);
    assert.deepEqual(
      [(await batchOf(batchId)).hostsPaused, (await eventsOf(batchId)).length],
      [0, 0],
      "19 of one host, and one of each of sixty",
    );
    const shares = await rowsOf(
      "select host, settled, failed from host_share where batch_id = $1 and host in ('bad.test', 'h7.test') order by 1",
      batchId,
    );
    assert.deepEqual(shares, [
      { host: BAD, settled: 19, failed: 19 },
      { host: "h7.test", settled: 1, failed: 1 },
    ]);
  });

  test("of a batch without the option is not counted, and costs no statement of a settle, a claim or a page", async () => {
    const statements: string[] = [];
    const listening = (tx: Tx): Tx => {
      const query = (given: { name?: string }, ...more: unknown[]) => {
        statements.push(given.name ?? "?");
        return Reflect.apply(tx.client.query, tx.client, [given, ...more]) as unknown;
      };
      return {
        ...tx,
        client: new Proxy(tx.client, { get: (client, key) => (key === "query" ? query : (Reflect.get(client, key) as unknown)) }),
      };
    };
    const transaction: Transaction = (work) => db.keyedTransaction((tx) => work(listening(tx)));
    const listened = createTestSettler({ db: { keyedTransaction: transaction }, queue });
    const batchId = await load(urlsOf(BAD, 160), { host: null });
    const [held] = await claim(1);
    assert.ok(held);
    await transaction((tx) => findClaimedImages(tx, [held.data]));
    await listened.settle(outcomeOf(held, { kind: "give_up", failure: failure("forbidden") }));
    await planBatch({ transaction, queue }, batchId, AbortSignal.timeout(30_000));
    assert.deepEqual(statements, [
      "claimed_batches",
      "claimed_images",
      "limit_lock_wait",
      "lock_jobs",
      "keep_in_jobs",
      "settle_images",
      "add_to_counters",
      "limit_lock_wait",
      "lock_plan",
      "products_to_plan",
      "insert_images",
      "advance_virtual_time",
      "record_plan",
    ]);
    await all(await claim(159), fail);
    assert.deepEqual(await rowsOf("select 1 from host_share where batch_id = $1", batchId), []);
  });

  test(
    "that is paused leaves its room to others: planning goes on, its later images are kept, and few are queued when it is resumed",
    { timeout: 120_000 },
    async () => {
      const batchId = await load([...urlsOf(BAD, QUEUED_MAX - 50), ...mixed(urlsOf(BAD, 300, "late"), urlsOf(GOOD, QUEUED_MAX + 300))]);
      await plan(batchId);
      assert.equal((await jobs(batchId)).length, QUEUED_MAX);
      await rowsOf("delete from pgboss.job where name = 'plan'");
      await all(await claim(20), fail);
      await assertNothingLost(batchId);
      assert.equal((await jobs(batchId, "plan")).length, 1, "the room that it leaves is planned for");
      await plan(batchId);
      await assertNothingLost(batchId);
      const hosts = await rowsOf(
        "select distinct i.host from pgboss.job j join image i on i.batch_id = $1 and j.data->'ordinals' @> to_jsonb(i.ordinal) where name = 'image' and data->>'batchId' = $1::text",
        batchId,
      );
      assert.deepEqual(hosts, [{ host: GOOD }]);
      const full = await batchOf(batchId);
      assert.ok(full.imagesQueued > QUEUED_MAX - 100 && full.imagesQueued <= QUEUED_MAX, String(full.imagesQueued));
      assert.ok(full.imagesHeld > QUEUED_MAX - 70 && full.imagesHeld === full.pausedShares[0]?.imagesHeld, String(full.imagesHeld));

      // Of the other host all is settled, in turns with the planner.
      while ((await work(fail, 400)) > 0) await plan(batchId);
      const paused = await batchOf(batchId);
      assert.deepEqual(
        [paused.imagesQueued, paused.imagesHeld, paused.isPlanned, paused.imagesDone],
        [0, QUEUED_MAX + 230, true, QUEUED_MAX + 300],
      );

      await db.transaction((tx) => queue.sendImages(tx, [{ data: { batchId: randomUUIDv7(), ordinal: 0 }, priority: -2_000 }]));
      await rowsOf("delete from pgboss.job where name = 'plan'");
      assert.ok(await resumeHost(batchId));
      assert.equal((await jobs(batchId)).length, 0, "none in the statement that resumes it");
      assert.equal((await jobs(batchId, "plan")).length, 1);
      await plan(batchId);
      await assertNothingLost(batchId);
      const queued = await jobs(batchId);
      assert.ok(queued.length > QUEUED_MAX - 100 && queued.length <= QUEUED_MAX, String(queued.length));
      const priorities = [...new Set(queued.map(({ priority }) => priority))].toSorted((a, b) => b - a);
      assert.equal(priorities[0], -2_001, "beside what is served now and not before it");
      assert.ok(priorities.every((each) => queued.filter(({ priority }) => priority === each).length <= TAG_IMAGES));

      await rowsOf("delete from pgboss.job where name = 'plan'");
      await all(
        (await claimOf(queued.length - QUEUED_LOW_WATER + 30)).flatMap(({ held, image }) => (image ? [held] : [])),
        done,
      );
      assert.equal((await jobs(batchId, "plan")).length, 1, "and the others when there is room");
      do await plan(batchId);
      while ((await work(done, 400)) > 0);
      const end = await batchOf(batchId);
      assert.deepEqual(
        [end.imagesDone, end.imagesFailed, end.imagesHeld, end.imagesDue, end.imagesQueued],
        [2 * QUEUED_MAX + 530, 20, 0, 0, 0],
      );
      assert.equal((await jobs(batchId, "finish")).length > 0, true);
    },
  );

  test("whose images in hand are shelved leaves their room to others too", { timeout: 60_000 }, async () => {
    const batchId = await load(mixed(urlsOf(BAD, 2_200, "a"), urlsOf(BAD, 2_200, "b"), urlsOf(BAD, 2_200, "c"), urlsOf(GOOD, 2_200)));
    await plan(batchId);
    const claims = await claimOf(QUEUED_MAX - 800);
    const bad = claims.filter(isBad).map(({ held }) => held);
    await rowsOf("delete from pgboss.job where name = 'plan'");
    await all(bad.splice(0, 20), fail);
    const paused = await batchOf(batchId);
    assert.ok(paused.hostsPaused === 1 && paused.imagesQueued >= QUEUED_LOW_WATER, String(paused.imagesQueued));
    assert.equal((await jobs(batchId, "plan")).length, 0, "enough are queued still");

    await all(bad, shelve);
    const shelved = await batchOf(batchId);
    assert.ok(shelved.imagesQueued < QUEUED_LOW_WATER && !shelved.isPlanned, String(shelved.imagesQueued));
    assert.equal((await jobs(batchId, "plan")).length, 1, "once, by those that took it below the mark");
    await assertNothingLost(batchId);
  });

  test("that is paused is planned on in turns with other batches", async () => {
    const batchId = await load([...urlsOf(GOOD, 1), ...urlsOf(BAD, 2 * QUEUED_MAX + 300)]);
    await plan(batchId);
    const claims = await claimOf(21);
    await all(
      claims.filter(isBad).map(({ held }) => held),
      fail,
    );
    for (const [imagesPlanned, plans] of [
      [2 * QUEUED_MAX, 1],
      [2 * QUEUED_MAX + 301, 0],
    ] as const) {
      await rowsOf("delete from pgboss.job where name = 'plan'");
      await planBatch({ transaction: db.keyedTransaction, queue }, batchId, AbortSignal.timeout(60_000));
      const [images] = await rowsOf("select count(*)::int as n from image where batch_id = $1", batchId);
      assert.deepEqual([images?.["n"], (await jobs(batchId, "plan")).length], [imagesPlanned, plans]);
    }
    await assertNothingLost(batchId);
  });

  test("that is all there is left pauses its batch, which says why; the resume of the host is enough", async () => {
    const batchId = await load(mixed(urlsOf(BAD, 40), urlsOf(GOOD, 10)));
    const claims = await claimOf(30);
    await all(
      claims.filter((one) => !isBad(one)).map(({ held }) => held),
      done,
    );
    await all(
      claims.filter(isBad).map(({ held }) => held),
      fail,
    );
    assert.deepEqual([(await batchOf(batchId)).imagesHeld, (await jobs(batchId, "finish")).length], [20, 1]);
    await finish(batchId);
    const still = await batchOf(batchId);
    assert.deepEqual([still.status, still.finishedAt, still.waitsForHosts], ["processing", null, true]);
    assert.ok(still.pausedAt);
    assert.equal(
      still.pauseReason,
      `Nothing is left to try but 20 images of bad.test, which is paused: ${still.pausedShares[0]?.pauseReason}`,
    );
    await finish(batchId);
    assert.deepEqual(
      (await eventsOf(batchId)).map(({ type, data }) => [type, data["pauseReason"]]),
      [
        ["batch.host_paused", null],
        ["batch.paused", still.pauseReason],
      ],
    );

    const resumed = await resumeHost(batchId);
    assert.deepEqual(
      [resumed?.pausedAt, resumed?.pauseReason, resumed?.hostsPaused, resumed?.imagesHeld, resumed?.imagesDue, resumed?.pausedShares],
      [null, null, 0, 0, 20, []],
    );
    await plan(batchId);
    await assertNothingLost(batchId);
    await all(await claim(100), done);
    await finish(batchId);
    const end = await batchOf(batchId);
    assert.deepEqual([end.status, end.imagesDone, end.imagesFailed], ["completed", 30, 20]);
    const events = await eventsOf(batchId);
    assert.deepEqual(
      events.map(({ type }) => type),
      ["batch.host_paused", "batch.paused", "batch.host_resumed", "batch.completed"],
    );
    assert.deepEqual(events[2]?.data.pausedHost, events[0]?.data.pausedHost, "as it stood until then");
    assert.deepEqual(
      await rowsOf("select 1 from host_share where batch_id = $1 union all select 1 from held_image where batch_id = $1", batchId),
      [],
      "nothing stays of it",
    );
  });

  test("that is all there is left is noticed by whoever takes the last of the others away: a settle, a claim that is put back, a page", async () => {
    const begin = async (urls: string[]) => {
      await rowsOf("delete from pgboss.job");
      const batchId = await load(urls);
      const claims = await claimOf(100);
      return {
        batchId,
        bad: claims.filter(isBad).map(({ held }) => held),
        good: claims.filter((one) => !isBad(one)).map(({ held }) => held),
      };
    };
    const finishes = async (batchId: string) => (await jobs(batchId, "finish")).length;

    const settled = await begin(mixed(urlsOf(BAD, 100), urlsOf(GOOD, 3)));
    await plan(settled.batchId);
    await all(settled.bad.slice(0, 20), fail);
    await all(settled.good, done);
    await all(settled.bad.slice(20, -1), fail);
    assert.equal(await finishes(settled.batchId), 0, "one is in hand");
    await all(settled.bad.slice(-1), fail);
    assert.equal(await finishes(settled.batchId), 1);

    const shelved = await begin(urlsOf(BAD, 21));
    await all(shelved.bad.slice(0, 20), fail);
    await settler.settle(outcomeOf(shelved.bad[20] as Claim, { kind: "release", delayMs: 0 }));
    assert.equal(await finishes(shelved.batchId), 0);
    assert.equal(await work(fail), 1);
    assert.equal(await finishes(shelved.batchId), 1);

    const planned = await begin(urlsOf(BAD, 150));
    await all(planned.bad, fail);
    assert.deepEqual([(await batchOf(planned.batchId)).imagesQueued, await finishes(planned.batchId)], [0, 0]);
    await plan(planned.batchId);
    assert.equal(await finishes(planned.batchId), 1);
  });

  test("that is paused where nothing of it is left is not: the batch ends", async () => {
    const batchId = await load([...urlsOf(BAD, 20), ...urlsOf(GOOD, 3)]);
    const claims = await claimOf(100);
    await all(
      claims.filter(isBad).map(({ held }) => held),
      fail,
    );
    assert.deepEqual([(await batchOf(batchId)).hostsPaused, (await eventsOf(batchId)).length], [0, 0], "there is nothing to hold back");
    await all(
      claims.filter((one) => !isBad(one)).map(({ held }) => held),
      done,
    );
    await finish(batchId);
    assert.equal((await batchOf(batchId)).status, "completed");

    const inHand = await load([...urlsOf(BAD, 22), ...urlsOf(GOOD, 1)]);
    const last = await claimOf(100);
    await all(
      last
        .filter(isBad)
        .slice(0, 20)
        .map(({ held }) => held),
      fail,
    );
    assert.deepEqual([(await batchOf(inHand)).hostsPaused, (await batchOf(inHand)).imagesHeld], [1, 0]);
    await all(
      last.filter((one) => !isBad(one)).map(({ held }) => held),
      done,
    );
    await all(
      last
        .filter(isBad)
        .slice(20)
        .map(({ held }) => held),
      done,
    );
    await finish(inHand);
    const end = await batchOf(inHand);
    assert.deepEqual([end.status, end.pausedAt, end.hostsPaused], ["completed", null, 0], "what was in hand was the last");
  });

  test("in hand when it is paused comes back for later, and is kept then without a try; put back after the resume, it goes on", async () => {
    const batchId = await load(mixed(urlsOf(BAD, 30), urlsOf(GOOD, 30)));
    const claims = await claimOf(60);
    // Nobody promises the order of claims.
    const bad = claims
      .filter(isBad)
      .map(({ held }) => held)
      .toSorted((a, b) => a.data.ordinal - b.data.ordinal);
    await all(bad.slice(0, 20), fail);
    assert.equal((await batchOf(batchId)).imagesHeld, 0, "all of it is in hand");
    await settler.settle(outcomeOf(bad[20] as Claim, { kind: "retry", failure: failure("timed_out"), delayMs: 0 }));
    await settler.settle(outcomeOf(bad[21] as Claim, { kind: "release", delayMs: 0 }));
    const again = await claimOf(10);
    assert.deepEqual(
      again.map(({ image }) => [image?.host, image?.isPaused]),
      [
        [BAD, true],
        [BAD, true],
      ],
    );
    await shelve((again[0] as (typeof again)[0]).held);
    assert.equal((await batchOf(batchId)).imagesHeld, 1);
    await assertNothingLost(batchId);

    assert.ok(await resumeHost(batchId));
    await shelve((again[1] as (typeof again)[0]).held);
    await plan(batchId);
    await assertNothingLost(batchId);
    assert.deepEqual(
      (await jobs(batchId)).filter(({ state }) => state === "created").map(({ ordinal }) => ordinal),
      [bad[20], bad[21]].map((held) => held?.data.ordinal),
    );
    assert.deepEqual(
      await rowsOf(
        "select attempts from image where batch_id = $1 and ordinal = any($2::int[]) order by 1",
        batchId,
        [bad[20], bad[21]].map((held) => held?.data.ordinal),
      ),
      [{ attempts: 0 }, { attempts: 1 }],
    );
  });

  test("is left alone by the reconciler, which mends what is lost beside it", async () => {
    const batchId = await load(mixed(urlsOf(BAD, 60), urlsOf(GOOD, 40)));
    await plan(batchId);
    await all(
      (await claimOf(60)).filter(isBad).map(({ held }) => held),
      fail,
    );
    await rowsOf("delete from pgboss.job");
    const { imagesHeld } = await batchOf(batchId);
    assert.ok(imagesHeld > 0);
    const lost = (await openFirsts(batchId)).length - imagesHeld;
    assert.deepEqual(await reconciled(), { images: lost, batches: 0, deliveries: 0, setBack: null });
    await assertNothingLost(batchId);

    // The word that only held images are left is lost, and that there are some to release.
    while ((await work(fail)) > 0);
    await rowsOf("delete from pgboss.job");
    assert.deepEqual(await reconciled(), { images: 0, batches: 1, deliveries: 0, setBack: null });
    assert.equal((await jobs(batchId, "finish")).length, 1);
    await finish(batchId);
    await rowsOf("delete from pgboss.job");
    assert.deepEqual(await reconciled(), { images: 0, batches: 0, deliveries: 0, setBack: null }, "one that stands still is paused");
    await resumeHost(batchId);
    await rowsOf("delete from pgboss.job");
    assert.deepEqual(await reconciled(), { images: 0, batches: 1, deliveries: 0, setBack: null });
    assert.equal((await jobs(batchId, "plan")).length, 1);
  });

  test("is resumed with its batch, once; alone, it leaves a batch that was paused as it is", async () => {
    const batchId = await load(mixed(urlsOf(BAD, 60), urlsOf("worse.test", 60), urlsOf(GOOD, 40)));
    await plan(batchId);
    const claims = await claimOf(120);
    await all(
      claims.filter(({ image }) => image?.host !== GOOD).map(({ held }) => held),
      fail,
    );
    assert.deepEqual((await batchOf(batchId)).pausedShares.map(({ host }) => host).toSorted(), [BAD, "worse.test"]);
    await pause(batchId);
    assert.equal(await resumeHost(batchId, GOOD), null);
    const answers = await Promise.all([resumeHost(batchId), resumeHost(batchId), resumeHost(batchId)]);
    assert.equal(answers.filter((row) => row !== null).length, 1);
    const alone = await batchOf(batchId);
    assert.deepEqual(
      [alone.pauseReason, alone.hostsPaused, alone.pausedShares.map(({ host }) => host)],
      [PAUSED_BY_HAND, 1, ["worse.test"]],
    );
    await plan(batchId);
    assert.equal((await jobs(batchId)).filter(({ state }) => state === "created").length, 0, "the batch is paused");

    const whole = await Promise.all([resume(batchId), resume(batchId)]);
    assert.equal(whole.filter((row) => row !== null).length, 1);
    await plan(batchId);
    const row = await batchOf(batchId);
    assert.deepEqual([row.pausedAt, row.hostsPaused, row.imagesHeld, row.imagesDue], [null, 0, 0, 0]);
    await assertNothingLost(batchId);
    assert.equal(await resume(batchId), null);
    assert.equal(await resumeHost(batchId, "worse.test"), null);
  });

  test("counts anew after a resume, under another percentage where one is given, and can be paused again before all of it is queued", async () => {
    const batchId = await load(urlsOf(BAD, QUEUED_MAX + 500));
    await plan(batchId);
    await all(await claim(20), fail);
    await resumeHost(batchId);
    const more = (await batchOf(batchId)).imagesDue;
    assert.ok(more > QUEUED_MAX - 100);
    // As if others of its images filled the queue, but for a page.
    await rowsOf(`update batch set images_queued = images_queued + ${QUEUED_MAX - 100} where batch_id = $1`, batchId);
    await plan(batchId);
    await rowsOf(`update batch set images_queued = images_queued - ${QUEUED_MAX - 100} where batch_id = $1`, batchId);
    const part = await batchOf(batchId);
    assert.deepEqual([part.imagesQueued, part.imagesDue], [100, more - 100], "a page of it");
    await all(await claim(19), fail);
    assert.equal((await batchOf(batchId)).hostsPaused, 0, "what failed before counts no longer");
    await all(await claim(1), fail);
    const again = await batchOf(batchId);
    assert.deepEqual(
      [again.hostsPaused, again.imagesHeld, again.imagesDue, again.imagesQueued, again.pausedShares[0]?.settled],
      [1, more - 20, 0, 0, 20],
    );
    await assertNothingLost(batchId);

    await resumeHost(batchId, BAD, 60);
    await plan(batchId);
    await all(await claim(40), (held) => (held.data.ordinal % 2 === 0 ? done(held) : fail(held)));
    assert.deepEqual([(await batchOf(batchId)).hostsPaused, (await batchOf(batchId)).pauseHostAtFailurePercent], [0, 60]);
    await pause(batchId);
    await resume(batchId, { hostPercent: null });
    await plan(batchId);
    await all(await claim(60), fail);
    assert.deepEqual([(await batchOf(batchId)).hostsPaused, (await batchOf(batchId)).pauseHostAtFailurePercent], [0, null]);
    await assertNothingLost(batchId);
  });

  /** A batch with a paused share, and what pauses another one, with which only held images are left. */
  const loadForTwo = async () => {
    const batchId = await load([...urlsOf("worse.test", 29), ...urlsOf(BAD, 60)]);
    const claims = await claimOf(100);
    const [bad, others] = [true, false].map((wanted) => claims.filter((one) => isBad(one) === wanted).map(({ held }) => held));
    assert.ok(bad && others);
    await all(others.slice(0, 19), fail);
    await all(bad.slice(0, 20), fail);
    await all([...others.slice(19), ...bad.slice(20)], shelve);
    const state = { batchId, hostPercent: 30, round: 1, isPaused: false, isPlanned: true };
    const tried = { images: [{ ordinal: others[0]?.data.ordinal ?? -1, round: 1, isLate: false }], process: "p", come: [] };
    return { batchId, pauseOther: (tx: Tx) => countShares(tx, deps(), state, tried) };
  };
  const cancel = (batchId: string) => db.transaction((tx) => cancelBatch(tx, { queue }, batchId));
  for (const [what, pauseAlso] of Object.entries({ pause, cancel }))
    test(`is named in the answer to a ${what} that had to wait until it was paused`, async () => {
      const { batchId, pauseOther } = await loadForTwo();
      const { waiting } = await db.transaction(async (tx) => {
        await lockBatch(tx, batchId);
        const waiting = pauseAlso(batchId);
        await eventually("it to wait", async () => {
          const [blocked] = await rowsOf("select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()");
          return blocked !== undefined;
        });
        await pauseOther(tx);
        return { waiting };
      });
      const row = await waiting;
      assert.deepEqual([row?.hostsPaused, row?.pausedShares.map(({ host }) => host)], [2, [BAD, "worse.test"]]);
    });

  test("is named by the pause for want of anything else, however late it was paused", async () => {
    const { batchId, pauseOther } = await loadForTwo();
    const asFound = await batchOf(batchId);
    await db.transaction(pauseOther);
    await db.transaction((tx) => pauseStandingStill(tx, deps(), asFound));
    assert.match(String((await batchOf(batchId)).pauseReason), / 50 images of 2 paused hosts: bad\.test \(40\), worse\.test \(10\)\.$/);
  });

  test("is not paused beside its batch: where both budgets are spent it is the batch that is", async () => {
    const batchId = await load(mixed(urlsOf(BAD, 60), urlsOf(GOOD, 60)), { host: 30, batch: 30 });
    await all(
      (await claimOf(60))
        .filter(isBad)
        .map(({ held }) => held)
        .slice(0, 20),
      fail,
    );
    const row = await batchOf(batchId);
    assert.deepEqual([row.hostsPaused, (await eventsOf(batchId)).map(({ type }) => type)], [0, ["batch.paused"]]);
    await resume(batchId);
    await assertNothingLost(batchId);
  });

  test("has a name that no index takes: it is not counted, and the batch ends", async () => {
    const name = Array.from({ length: 120 }, (_, index) => createHash("sha256").update(String(index)).digest("hex")).join("");
    const batchId = await load([...urlsOf(`${name}.test`, 25), ...urlsOf(GOOD, 1)]);
    const claims = await claim(100);
    await all(claims.slice(0, 25), fail);
    assert.equal((await batchOf(batchId)).hostsPaused, 0);
    await all(claims.slice(25), done);
    assert.deepEqual([(await batchOf(batchId)).imagesFailed, (await jobs(batchId, "finish")).length], [25, 1]);
  });

  test("paused and resumed in the middle of everything loses nothing and tries nothing twice", { timeout: 120_000 }, async (t) => {
    const batchIds = [await load(mixed(urlsOf(BAD, 500), urlsOf(GOOD, 200))), await load(mixed(urlsOf(BAD, 300), urlsOf(GOOD, 100)))];
    for (const batchId of batchIds) await plan(batchId);
    const tries = new Map<string, number>();
    let isOver = false;
    const tryImage = (held: Claim, settle: (held: Claim) => Promise<void>) => {
      const key = `${held.data.batchId}/${held.data.ordinal}`;
      tries.set(key, (tries.get(key) ?? 0) + 1);
      return settle(held);
    };
    const workAll = async () => {
      while (!isOver) {
        const claims = await claimOf(25);
        await Promise.all(
          claims.map((one) =>
            one.image?.isPaused ? shelve(one.held) : tryImage(one.held, isBad(one) && one.held.data.ordinal % 4 !== 0 ? fail : done),
          ),
        );
        for (const batchId of batchIds) await plan(batchId);
      }
    };
    const meddle = async (batchId: string) => {
      const seen = { host: 0, batch: 0 };
      for (
        let turn = 0;
        (await batchOf(batchId)).imagesDone + (await batchOf(batchId)).imagesFailed < (await batchOf(batchId)).imagesTotal;
        turn += 1
      ) {
        if ((await batchOf(batchId)).hostsPaused > 0) await finish(batchId);
        if (turn % 7 === 3) await pause(batchId);
        const host = await Promise.all([resumeHost(batchId), resumeHost(batchId)]);
        const batch = await Promise.all(turn % 3 === 0 ? [resume(batchId), resume(batchId)] : []);
        seen.host += host.filter((row) => row !== null).length;
        seen.batch += batch.filter((row) => row !== null).length;
      }
      return seen;
    };
    const working = Promise.all([workAll(), workAll(), workAll()]);
    const changes = await Promise.all(batchIds.map(meddle)).finally(() => (isOver = true));
    await working;
    t.diagnostic(JSON.stringify(changes));
    const sum = (what: "host" | "batch") => changes.reduce((total, seen) => total + seen[what], 0);
    assert.ok(sum("host") > 2 && sum("batch") > 2, JSON.stringify(changes));
    assert.deepEqual([tries.size, [...tries.values()].filter((count) => count > 1)], [1_100, []]);
    for (const batchId of batchIds) {
      const row = await batchOf(batchId);
      const [counted] = await rowsOf(
        "select count(*) filter (where state = 'done')::int as done, count(*) filter (where state = 'failed')::int as failed, max(attempts) as attempts from image where batch_id = $1",
        batchId,
      );
      assert.deepEqual(counted, { done: row.imagesDone, failed: row.imagesFailed, attempts: 1 });
      assert.deepEqual([row.imagesQueued, row.imagesHeld, row.imagesDue, (await jobs(batchId)).length], [0, 0, 0, 0]);
    }
  });
});
