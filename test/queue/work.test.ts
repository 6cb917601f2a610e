import assert from "node:assert/strict";
import { before, beforeEach, describe, test } from "node:test";
import { isDatabaseAway, type Database, type Executor } from "../../src/db/connection/connect.ts";
import { openQueue, type Queue } from "../../src/queue/queue.ts";
import { onCleanup } from "../support/cleanup.ts";
import { openTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

const AT_ONCE = 4;
/** Less than any of them looks by itself (every ten seconds). */
const WITHIN_MS = 5_000;

describe("jobs that are worked", { timeout: 60_000 }, () => {
  let db: Database;
  let queue: Queue;
  let wake: () => void;
  let looks = 0;
  /** What the next look waits for, as one whose connection hangs. */
  let hanging: Promise<void> | null = null;
  const running = new Map<string, () => void>();
  let begun: string[] = [];

  before(async () => {
    db = await openTestDatabase();
    const executor: Executor = {
      async executeSql(text, values) {
        if (/update pgboss\.\w+ j set\s+state = 'active'/is.test(text)) {
          looks += 1;
          const held = hanging;
          hanging = null;
          await held;
        }
        return db.executor.executeSql(text, values);
      },
    };
    queue = await openQueue({ executor, supervise: false, onError: assert.fail });
    onCleanup(() => queue.stop());
    ({ wake } = await queue.work(
      "deliver",
      AT_ONCE,
      async ({ eventId }) => {
        begun.push(eventId);
        await new Promise<void>((resolve) => running.set(eventId, resolve));
        running.delete(eventId);
      },
      assert.ifError,
    ));
  });
  beforeEach(() => (begun = []));

  const send = async (...eventIds: string[]) => {
    await db.transaction(async (tx) => {
      for (const eventId of eventIds) await queue.sendDeliver(tx, { eventId, endpointId: "1", attempts: 0 });
    });
    wake();
  };
  const haveBegun = (count: number) => eventually(`${count} jobs to begin`, async () => begun.length === count || null, WITHIN_MS);
  const end = (eventId: string | undefined) => running.get(eventId ?? "")?.();

  test("begin together after one call, no more than may be, and the next as soon as one ends", async () => {
    await send(..."abcdef");
    await haveBegun(AT_ONCE);
    end(begun[2]);
    await haveBegun(AT_ONCE + 1);
    assert.equal(running.size, AT_ONCE);
    end(begun[0]);
    await haveBegun(6);
    // One that comes while all are busy, and nobody is free to be called.
    await send("g");
    assert.equal(begun.length, 6);
    for (const eventId of begun.slice(0, AT_ONCE)) end(eventId);
    await haveBegun(7);
    for (const eventId of begun) end(eventId);
    await eventually("the last to end", async () => running.size === 0 || null, WITHIN_MS);
  });

  /** Every job is over, and whoever was called has asked by now. */
  const haveRested = async () => {
    const isOver = async () =>
      (await db.executor.executeSql("select 1 from pgboss.job where name = 'deliver' and state < 'completed'")).rows.length === 0;
    await eventually("the jobs to be over", async () => (await isOver()) || null, WITHIN_MS);
    for (let index = 0; index < 20; index += 1) await isOver();
  };

  test("cost few looks each", async () => {
    await haveRested();
    looks = 0;
    await send("h");
    await haveBegun(1);
    end("h");
    await eventually("it to end", async () => running.size === 0 || null, WITHIN_MS);
    await haveRested();
    assert.ok(looks >= 1 && looks <= 3, `${looks} looks`);
  });

  test("are found when their time comes, though nobody tells of it", async () => {
    await haveRested();
    looks = 0;
    await db.transaction((tx) => queue.sendDeliver(tx, { eventId: "k", endpointId: "1", attempts: 0 }, 1));
    await haveBegun(1);
    assert.ok(looks <= 3, `${looks} looks`);
    end("k");
    await eventually("it to end", async () => running.size === 0 || null, WITHIN_MS);
  });

  test("are taken by another where one that was woken hangs", async () => {
    const { promise, resolve: free } = Promise.withResolvers<void>();
    hanging = promise;
    await send("i");
    await eventually("one to hang", async () => hanging === null, WITHIN_MS);
    await send("j");
    await haveBegun(2);
    free();
    for (const eventId of begun) end(eventId);
    await eventually("both to end", async () => running.size === 0 || null, WITHIN_MS);
  });
});

test("a look that the database refuses is reported as an error that tells so", async () => {
  const db = await openTestDatabase();
  const refused = Object.assign(new Error("not permitted to log in"), { code: "28000" });
  const executor: Executor = {
    executeSql: (text, values) => (text.includes("'active'") ? Promise.reject(refused) : db.executor.executeSql(text, values)),
  };
  const reported: Error[] = [];
  const queue = await openQueue({ executor, supervise: false, onError: (error) => void reported.push(error) });
  onCleanup(() => queue.stop());
  await queue.work("deliver", 1, async () => {}, assert.ifError);
  const [error] = await eventually("the report", async () => reported.length > 0 && reported);
  assert.ok(isDatabaseAway(error), String(error));
});

test("what a handler throws is told and its job kept for another run; what the end of the process cuts off is not told", async () => {
  const db = await openTestDatabase();
  const queue = await openQueue({ executor: db.executor, supervise: false, onError: assert.fail });
  onCleanup(() => queue.stop());
  const fault = new Error("no such folder");
  const told: unknown[] = [];
  const running: (() => void)[] = [];
  const { wake } = await queue.work(
    "deliver",
    2,
    async () => {
      await new Promise<void>((resolve) => running.push(resolve));
      throw fault;
    },
    (error) => told.push(error),
  );
  await db.transaction(async (tx) => {
    for (const eventId of "ab") await queue.sendDeliver(tx, { eventId, endpointId: "1", attempts: 0 });
  });
  wake();
  await eventually("both to begin", async () => running.length === 2 || null, WITHIN_MS);
  const retried = async () =>
    (await db.executor.executeSql("select 1 from pgboss.job where name = 'deliver' and state = 'retry'")).rows.length;
  running[0]?.();
  await eventually("the job to be given back", async () => (await retried()) === 1 || null, WITHIN_MS);
  assert.deepEqual(told, [fault]);
  const stopped = queue.stop();
  running[1]?.();
  await stopped;
  assert.deepEqual([await retried(), told], [2, [fault]]);
});

test("jobs that have ended go within a quarter of an hour after their hour", async () => {
  const db = await openTestDatabase();
  const queue = await openQueue({ executor: db.executor, supervise: true, onError: assert.fail });
  onCleanup(() => queue.stop());
  const sql = async (text: string) => (await db.executor.executeSql(text)).rows;
  await db.transaction(async (tx) => {
    for (const eventId of ["old", "new", "lapsed"]) await queue.sendDeliver(tx, { eventId, endpointId: "1", attempts: 0 });
  });
  await sql("update pgboss.queue set maintain_on = now() - interval '15 minutes'");
  await sql(`update pgboss.job set state = 'completed', completed_on = now() - case data->>'eventId' when 'old' then 61 else 59 end * interval '1 minute'
    where data->>'eventId' <> 'lapsed'`);
  // What calls the supervisor, who would come within a minute too.
  await sql(
    `update pgboss.job set state = 'active', started_on = now(), heartbeat_on = now() - interval '1 minute' where data->>'eventId' = 'lapsed'`,
  );
  const left = async () =>
    (await sql("select data->>'eventId' as id from pgboss.job where name = 'deliver' order by 1")).map(({ id }) => id);
  await eventually("the old job to go", async () => !(await left()).includes("old") || null, WITHIN_MS);
  assert.deepEqual(await left(), ["lapsed", "new"]);
});
