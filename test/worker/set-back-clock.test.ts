import assert from "node:assert/strict";
import { randomUUIDv7 } from "node:crypto";
import { before, beforeEach, describe, test } from "node:test";
import type { Database } from "../../src/db/connection/connect.ts";
import { listHostPauses, pauseHost } from "../../src/db/host-pauses.ts";
import { reopenImages } from "../../src/db/pause-batch.ts";
import { LONGEST_PAUSE_MS } from "../../src/domain/load/host-pause.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { reconcile } from "../../src/worker/reconcile.ts";
import { loadCatalogue } from "../support/load-catalogue.ts";
import { openTestQueue } from "../support/queue.ts";

const HOST = "shop.test";

/** The database's clock cannot be set back in a test; what was written is moved ahead instead, which to every statement is the same. */
describe("after the database's clock was set back by two hours", () => {
  let db: Database;
  let queue: Queue;
  before(async () => {
    ({ db, queue } = await openTestQueue());
  });
  const rowsOf = async (sql: string, ...values: unknown[]) => (await db.executor.executeSql(sql, values)).rows;
  beforeEach(() => rowsOf("delete from pgboss.job"));
  const setBack = async () => {
    const moved = (columns: string[]) => columns.map((column) => `${column} = ${column} + interval '2 hours'`).join(", ");
    await rowsOf(`update pgboss.job set ${moved(["created_on", "start_after", "started_on", "heartbeat_on"])}`);
    await rowsOf(`update pgboss.queue set ${moved(["monitor_claim_on", "monitor_on", "maintain_on"])}`);
    await rowsOf(`update host_pause set ${moved(["paused_until", "updated_at"])}`);
    await rowsOf(`update image set ${moved(["queued_at", "not_before"])}`);
    await rowsOf(`update batch set ${moved(["created_at"])}`);
  };
  const reconciled = () => reconcile({ transaction: db.transaction, queue });
  const nothing = { images: 0, batches: 0, deliveries: 0, setBack: null };
  const claim = async (limit: number) => (await db.keyedTransaction((tx) => queue.claimImages(tx, limit))).claims;
  const isWithin = (column: string, fromSeconds: number, toSeconds: number) =>
    `coalesce(extract(epoch from ${column} - now()) between ${fromSeconds} and ${toSeconds}, false) as ${column}`;
  const send = (delayMs: number) =>
    db.transaction((tx) => queue.sendImages(tx, [{ data: { batchId: randomUUIDv7(), ordinal: 0 }, priority: -1, delayMs }]));

  test("jobs wait as long as they were meant to from now on, and it is told once", async () => {
    await send(0);
    await send(60_000);
    await db.transaction((tx) => queue.sendDeliver(tx, { eventId: randomUUIDv7(), endpointId: randomUUIDv7(), attempts: 0 }, 5_000));
    await setBack();
    assert.deepEqual(await claim(10), [], "as it was found");

    assert.deepEqual(await reconciled(), { ...nothing, setBack: { jobs: 3, hosts: 0, bySeconds: 7_200 } });
    assert.equal((await claim(10)).length, 1);
    const [later] = await rowsOf(`select ${isWithin("start_after", 50, 60)}, ${isWithin("created_on", -10, 0)} from pgboss.job
      where name = 'image' and state = 'created'`);
    assert.deepEqual(later, { start_after: true, created_on: true });
    const [delivery] = await rowsOf(`select ${isWithin("start_after", -5, 5)} from pgboss.job where name = 'deliver'`);
    assert.deepEqual(delivery, { start_after: true });
    assert.deepEqual(await reconciled(), nothing);
  });

  test("claims of the dead lapse, and who is alive keeps what it has", async () => {
    await send(0);
    await send(0);
    const [alive, dead] = await claim(10);
    assert.ok(alive && dead);
    await rowsOf("update pgboss.queue set monitor_claim_on = now(), monitor_on = now(), maintain_on = now()");
    await setBack();
    // As a fetch noted it, which does not know of the step.
    const claims = [alive, dead];
    const startedAt = (await rowsOf("select id, extract(epoch from started_on)::text as at from pgboss.job")).map(({ id, at }) => [id, at]);
    for (const { id, job } of claims) job.startedAt = String(new Map(startedAt as [string, string][]).get(id));
    await db.keyedTransaction((tx) => queue.touch(tx, [alive]));

    assert.deepEqual((await reconciled()).setBack, { jobs: 2, hosts: 0, bySeconds: 7_200 });
    const jobs = await rowsOf(`select id, ${isWithin("heartbeat_on", -10, 0)} from pgboss.job where state = 'active' order by id`);
    assert.deepEqual(
      jobs,
      claims.map(({ id }) => ({ id, heartbeat_on: true })).toSorted((one, other) => one.id.localeCompare(other.id)),
    );
    const looks = ["monitor_claim_on", "monitor_on", "maintain_on"].map((column) => isWithin(column, -10, 0)).join(", ");
    for (const look of await rowsOf(`select ${looks} from pgboss.queue where name in ('plan', 'image', 'finish', 'deliver')`))
      assert.deepEqual(look, { monitor_claim_on: true, monitor_on: true, maintain_on: true });
    const settled = await db.keyedTransaction((tx) => queue.endClaims(tx, claims));
    assert.equal(settled.size, 2, "a claim that has not been handed out again can be settled");
    assert.deepEqual(await reconciled(), nothing);
  });

  test("a job that came back after a failure goes on at once, however long ago it was made", async () => {
    await db.transaction((tx) => queue.sendPlan(tx, { batchId: randomUUIDv7() }));
    await rowsOf("update pgboss.job set state = 'retry', created_on = now() - interval '1 day', start_after = now() + interval '2 hours'");
    assert.equal((await reconciled()).setBack?.jobs, 1);
    assert.deepEqual(await rowsOf(`select ${isWithin("start_after", -10, 0)} from pgboss.job`), [{ start_after: true }]);
    assert.deepEqual(await reconciled(), nothing);
  });

  test("a pause of a host ends, and until then nobody takes it for longer than a pause can be", async () => {
    await pauseHost(db.executor, { host: HOST, pauseMs: 60_000, reason: "rate_limited" });
    await setBack();
    assert.deepEqual(
      (await listHostPauses(db.executor)).map(({ remainingMs }) => remainingMs),
      [LONGEST_PAUSE_MS],
    );
    assert.deepEqual((await reconciled()).setBack, { jobs: 0, hosts: 1, bySeconds: 7_200 });
    const times = ["paused_until", "asked_until", "updated_at"];
    assert.deepEqual(await rowsOf(`select ${times.map((time) => isWithin(time, -10, 0)).join()} from host_pause`), [
      { paused_until: true, asked_until: true, updated_at: true },
    ]);
    assert.deepEqual(await reconciled(), nothing);
  });

  test("images that have no job get one, with no longer a delay than an image can have", async () => {
    const batchId = await loadCatalogue({ db, queue }, [[`https://${HOST}/1.jpg`], [`https://${HOST}/2.jpg`]]);
    await rowsOf("update image set not_before = now() + interval '30 seconds' where batch_id = $1 and ordinal = 0", batchId);
    await rowsOf("delete from pgboss.job");
    await setBack();
    assert.equal((await reconciled()).images, 2);
    await rowsOf("delete from pgboss.job");
    const delays = (await db.transaction((tx) => reopenImages(tx, batchId))).map(({ delayMs }) => delayMs);
    assert.deepEqual(delays, [600_000, 0]);
  });
});
