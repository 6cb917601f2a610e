import assert from "node:assert/strict";
import { randomUUIDv7 } from "node:crypto";
import { before, describe, test } from "node:test";
import type { Database } from "../../src/db/connect.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { eventually } from "../support/eventually.ts";
import { openTestQueue } from "../support/queue.ts";

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
  const claim = (limit: number) => db.keyedTransaction((tx) => queue.claimImages(tx, limit));
  const touch = (claims: Awaited<ReturnType<Queue["claimImages"]>>) => db.keyedTransaction((tx) => queue.touch(tx, claims));
  const endAll = async (claims: Awaited<ReturnType<Queue["claimImages"]>>) => db.transaction((tx) => queue.endClaims(tx, claims));

  test("hands out the highest priority first, and each job once, to any number of takers", async () => {
    await send(30, -2);
    await send(30, -1);
    const taken = await Promise.all(Array.from({ length: 6 }, () => claim(10)));
    const claims = taken.flat();
    assert.equal(new Set(claims.map(({ id }) => id)).size, 60);
    assert.deepEqual((await claim(10)).length, 0);
    assert.equal((await endAll(claims)).size, 60);
    await send(1, -7);
    await send(1, -3);
    const [first] = await claim(1);
    assert.equal(first?.priority, -3);
    await endAll([...(first ? [first] : []), ...(await claim(1))]);
  });

  test("a claim is ended once, and only by whoever holds it", async () => {
    await send(1, -1);
    const claims = await claim(1);
    assert.equal((await touch(claims)).size, 1);
    // As if the process had died: somebody else gets the job, and the first claim is worth nothing any more.
    await queue.freeClaims();
    const again = await claim(1);
    assert.equal(again[0]?.id, claims[0]?.id);
    assert.equal((await endAll(claims)).size, 0);
    assert.equal((await touch(claims)).size, 0);
    assert.equal((await endAll(again)).size, 1);
    assert.equal((await endAll(again)).size, 0);
  });

  test("heartbeats and settles of the same claims never wait for each other in a circle", async () => {
    // Rows in the place of others that are gone, so that the table's order is not that of the ids.
    await send(60, -1);
    const kept = await claim(30);
    await endAll(await claim(30));
    await db.executor.executeSql("vacuum analyze pgboss.job");
    await send(30, -1);
    await db.executor.executeSql("analyze pgboss.job");
    const claims = [...kept, ...(await claim(30))];
    const middle = claims.map(({ id }) => id).toSorted()[30];
    const blocked = async () =>
      Number(
        (
          await db.executor.executeSql(
            "select count(*) as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
          )
        ).rows[0]?.["n"],
      );
    // Each comes as far as the row in the middle and waits there, with what it has locked on the way.
    const working: Promise<unknown>[] = [];
    await db.transaction(async (tx) => {
      await tx.executor.executeSql("select 1 from pgboss.job where id = $1 for update", [middle]);
      for (const work of [
        () => touch(claims.toReversed()),
        () => db.keyedTransaction((own) => queue.endClaims(own, claims)),
        () => touch(claims),
      ]) {
        working.push(work());
        await eventually("it to wait", async () => (await blocked()) === working.length);
      }
    });
    await Promise.all(working);
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

  test("fifty of a hundred thousand are fetched in under 20 ms", async (t) => {
    for (let page = 0; page < 20; page += 1) await send(5_000, -page);
    const samples: number[] = [];
    for (let round = 0; round < 15; round += 1) {
      const startedAt = performance.now();
      const claims = await claim(50);
      samples.push(performance.now() - startedAt);
      assert.equal(claims.length, 50);
      await endAll(claims);
    }
    const median = samples.toSorted((a, b) => a - b)[7] ?? Infinity;
    t.diagnostic(`median of fetch(50): ${median.toFixed(1)} ms`);
    assert.ok(median < 20, `${median} ms`);
  });
});
