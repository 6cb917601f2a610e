import assert from "node:assert/strict";
import { randomUUIDv7 } from "node:crypto";
import { before, describe, test } from "node:test";
import type { Database } from "../../src/db/connection/connect.ts";
import type { Claim } from "../../src/queue/image-jobs.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { eventually } from "../support/eventually.ts";
import { claimsByImage, openTestQueue } from "../support/queue.ts";

describe("the image queue", () => {
  let db: Database;
  let queue: Queue;
  before(async () => {
    ({ db, queue } = await openTestQueue());
  });
  const send = (count: number, priority: number, batchId = randomUUIDv7()) =>
    db.transaction((tx) =>
      queue.sendImages(
        tx,
        Array.from({ length: count }, (_, ordinal) => ({ data: { batchId, ordinal }, priority })),
      ),
    );
  /** A job for each of them. */
  const sendEach = async (count: number) => {
    for (let index = 0; index < count; index += 1) await send(1, -1);
  };
  const claimAll = (count: number) => claimsByImage({ db, queue })(count);
  const claimPage = (limit: number) => db.keyedTransaction((tx) => queue.claimImages(tx, limit));
  const claim = async (limit: number) => (await claimPage(limit)).claims;
  const touch = (claims: readonly Claim[]) => db.keyedTransaction((tx) => queue.touch(tx, claims));
  const endAll = async (claims: readonly Claim[]) => db.transaction((tx) => queue.endClaims(tx, claims));
  const openImages = async () =>
    (await db.executor.executeSql("select data->'ordinals' as ordinals from pgboss.job where name = 'image' order by 1")).rows.map(
      ({ ordinals }) => ordinals,
    );

  test("hands out the highest priority first, and each image once, to any number of takers", async () => {
    await send(30, -2);
    await send(30, -1);
    const taken = await Promise.all(Array.from({ length: 6 }, () => claim(10)));
    const claims = taken.flat();
    assert.equal(new Set(claims.map(({ data }) => `${data.batchId}/${data.ordinal}`)).size, 60);
    assert.deepEqual((await claim(10)).length, 0);
    assert.equal((await endAll(claims)).size, 60);
    assert.deepEqual(await openImages(), []);
    await send(1, -7);
    await send(1, -3);
    const [first] = await claim(1);
    assert.equal(first?.priority, -3);
    await endAll([...(first ? [first] : []), ...(await claim(1))]);
  });

  test("a claim is ended once, and only by whoever holds it", async () => {
    await send(1, -1);
    const claims = await claim(1);
    assert.equal((await touch(claims)).alive.size, 1);
    // As if the process had died: somebody else gets the job, and the first claim is worth nothing any more.
    await queue.freeClaims();
    const again = await claim(1);
    assert.equal(again[0]?.id, claims[0]?.id);
    assert.equal((await endAll(claims)).size, 0);
    assert.deepEqual(await touch(claims), { alive: new Set(), locked: new Set() });
    assert.equal((await endAll(again)).size, 1);
    assert.equal((await endAll(again)).size, 0);
  });

  test("a claim that a crash of the server has undone is nobody's any more once somebody has claimed anew", async () => {
    await send(2, -1);
    // It was committed and not yet on the disk, so that it is as if it had never been.
    const undone: Claim[] = [];
    const crashed = db.keyedTransaction(async (tx) => {
      undone.push(...(await queue.claimImages(tx, 2)).claims);
      throw new Error("crash");
    });
    await assert.rejects(crashed, /crash/);
    const again = await claim(2);
    assert.deepEqual(
      undone.map(({ id, job }) => [id, job.retryCount]),
      again.map(({ id, job }) => [id, job.retryCount]),
      "the same attempt of the same job",
    );
    assert.deepEqual(await touch(undone), { alive: new Set(), locked: new Set() });
    assert.deepEqual([...(await endAll([...undone, ...again]))], again);
    assert.deepEqual(await openImages(), []);
  });

  test("images of one batch, priority and time share jobs of ten, and what is asked for comes whole", async () => {
    const batchId = randomUUIDv7();
    const at = (priority: number, delayMs = 0) => ({ priority, delayMs });
    const kinds = [...Array.from({ length: 23 }, () => at(-5)), at(-5, 600_000), at(-5, 600_000), at(-4), at(-5)];
    await db.transaction((tx) =>
      queue.sendImages(tx, [
        ...kinds.map((kind, ordinal) => ({ data: { batchId, ordinal }, ...kind })),
        { data: { batchId: randomUUIDv7(), ordinal: 27 }, priority: -5 },
        { data: { batchId, ordinal: 28, askedSince: 1 }, priority: -5 },
      ]),
    );
    const listed = (await openImages()) as number[][];
    assert.deepEqual(
      listed.map((ordinals) => ordinals.length).toSorted((a, b) => b - a),
      [10, 10, 3, 2, 1, 1, 1, 1],
    );
    assert.deepEqual(
      listed.flat().toSorted((a, b) => a - b),
      Array.from({ length: 29 }, (_, ordinal) => ordinal),
    );
    const first = await claim(1);
    assert.deepEqual(
      first.map(({ data }) => data.ordinal),
      [25],
      "the highest priority, which is alone",
    );
    const more = await claim(12);
    assert.deepEqual(
      more.map(({ data }) => data.ordinal).toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, ordinal) => ordinal),
      "two whole jobs",
    );
    const rest = await claim(100);
    assert.equal(rest.length, 6, "fewer than asked for: all but the two that wait for their time");
    assert.equal(rest.find(({ data }) => data.ordinal === 28)?.data.askedSince, 1);
    await endAll([...first, ...more, ...rest]);
    await db.executor.executeSql("delete from pgboss.job");
  });

  test("jobs of one image are claimed in few rounds, and it is said whether more wait", async () => {
    await sendEach(40);
    const page = await claimPage(30);
    assert.deepEqual([page.claims.length, page.isDrained], [9, false], "three jobs, three times");
    const rest = await claimPage(1_000);
    assert.deepEqual([rest.claims.length, rest.isDrained], [31, true]);
    await endAll([...page.claims, ...rest.claims]);
  });

  test("a job that says nothing we understand goes, and holds up no other", async () => {
    const unknown = [{ batchId: randomUUIDv7(), ordinal: 1, priority: 5 }, null, { ordinals: [] }, { ordinals: 7 }, "images"];
    for (const data of unknown)
      await db.executor.executeSql("insert into pgboss.job (name, data, priority) values ('image', $1::jsonb, 5)", [JSON.stringify(data)]);
    await send(20, -1);
    const { claims } = await claimPage(100);
    assert.equal(claims.length, 20);
    await endAll(claims);
    assert.deepEqual(await openImages(), []);
  });

  test("a job names the images that still need it, and goes with the last of them", async () => {
    await send(5, -1);
    const claims = await claim(5);
    const ordinals = (ended: ReadonlySet<{ data: { ordinal: number } }>) => [...ended].map(({ data }) => data.ordinal);
    assert.deepEqual(ordinals(await endAll(claims.slice(1, 3))), [1, 2]);
    assert.deepEqual(await openImages(), [[0, 3, 4]]);
    assert.deepEqual(ordinals(await endAll(claims.slice(0, 3))), [0], "what has ended is nobody's any more");
    // As if the process had died: who comes next gets the others and no more, and the first can end nothing.
    await queue.freeClaims();
    const again = await claim(5);
    assert.deepEqual(
      again.map(({ data }) => data.ordinal),
      [3, 4],
    );
    assert.equal((await endAll(claims)).size, 0);
    assert.deepEqual(await openImages(), [[3, 4]]);
    // Two settles at once, each of one of them: the second finds itself to be the last.
    await Promise.all([endAll(again.slice(0, 1)), endAll(again.slice(1))]);
    assert.deepEqual(await openImages(), []);
  });

  const blocked = async () =>
    Number(
      (
        await db.executor.executeSql(
          "select count(*) as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
        )
      ).rows[0]?.["n"],
    );
  const beatAgo = (seconds: number) =>
    db.executor.executeSql("update pgboss.job set heartbeat_on = now() - $1 * interval '1 s' where state = 'active'", [seconds]);
  /** The jobs that have had a sign of life of late. */
  const beating = async () =>
    (
      await db.executor.executeSql("select id from pgboss.job where state = 'active' and heartbeat_on > now() - interval '5 s' order by id")
    ).rows.map(({ id }) => id);

  test("heartbeats and settles of the same claims never wait for each other in a circle", async () => {
    // Rows in the place of others that are gone, so that the table's order is not that of the ids.
    await sendEach(60);
    const kept = await claimAll(30);
    await endAll(await claimAll(30));
    await db.executor.executeSql("vacuum analyze pgboss.job");
    await sendEach(30);
    await db.executor.executeSql("analyze pgboss.job");
    const claims = [...kept, ...(await claimAll(30))];
    const ids = [...new Set(claims.map(({ id }) => id))].toSorted();
    await beatAgo(8);
    // A settle comes as far as the row in the middle and waits there, with what it has locked on the way. Heartbeats go past all of that.
    const settling: Promise<Set<Claim>>[] = [];
    await db.transaction(async (tx) => {
      await tx.executor.executeSql("select 1 from pgboss.job where id = $1 for update", [ids[30]]);
      for (const itsClaims of [claims.toReversed(), claims]) {
        settling.push(endAll(itsClaims));
        await eventually("it to wait", async () => (await blocked()) === settling.length);
      }
      assert.deepEqual(await touch(claims.toReversed()), { alive: new Set(ids.slice(31)), locked: new Set(ids.slice(0, 31)) });
    });
    const [ended, none] = await Promise.all(settling);
    assert.deepEqual([ended?.size, none?.size], [60, 0]);
  });

  test("while a settle waits for its batch, the claims of others stay alive, and what it leaves of a job has had its sign of life", async () => {
    await send(5, -1);
    await send(5, -1);
    const claims = await claim(10);
    const [mine, others] = [...new Set(claims.map(({ id }) => id))];
    assert.ok(mine && others);
    await beatAgo(8);
    await db.keyedTransaction(async (tx) => {
      await queue.endClaims(tx, claims.filter(({ id }) => id === mine).slice(1));
      assert.deepEqual(await touch(claims), { alive: new Set([others]), locked: new Set([mine]) });
      assert.deepEqual(await beating(), [others]);
    });
    assert.deepEqual(await beating(), [mine, others].toSorted());
    assert.deepEqual(await touch(claims), { alive: new Set([mine, others]), locked: new Set() });
    await endAll(claims);
    assert.deepEqual(await openImages(), []);
  });

  test("jobs sent in a transaction that is rolled back never were", async () => {
    await assert.rejects(
      db.transaction(async (tx) => {
        await queue.sendImages(tx, [{ data: { batchId: randomUUIDv7(), ordinal: 0 }, priority: -1 }]);
        throw new Error("no");
      }),
      /no/,
    );
    assert.deepEqual(await claim(1), []);
  });

  test("fifty jobs of a hundred thousand are fetched in under 20 ms", async (t) => {
    for (let page = 0; page < 20; page += 1) await send(50_000, -page);
    const samples: number[] = [];
    for (let round = 0; round < 15; round += 1) {
      const startedAt = performance.now();
      const claims = await claim(500);
      samples.push(performance.now() - startedAt);
      assert.equal(claims.length, 500);
      await endAll(claims);
    }
    const median = samples.toSorted((a, b) => a - b)[7] ?? Infinity;
    t.diagnostic(`median of fetch(50): ${median.toFixed(1)} ms`);
    assert.ok(median < 20, `${median} ms`);
  });
});
