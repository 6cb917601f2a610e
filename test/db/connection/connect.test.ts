import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, Socket, type AddressInfo } from "node:net";
import { test } from "node:test";
import { TLSSocket } from "node:tls";
import type pg from "pg";
import { connectDatabase, isDatabaseAway, type Transaction } from "../../../src/db/connection/connect.ts";
import { listen } from "../../../src/db/connection/listen.ts";
import { migrateDatabase } from "../../../src/db/connection/migrate.ts";
import { withOwnConnection } from "../../../src/db/connection/own-connection.ts";
import { takeOwnership } from "../../../src/db/connection/ownership.ts";
import { prepareSession } from "../../../src/db/connection/session.ts";
import { useServer } from "../../../src/db/connection/use-server.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { onCleanup } from "../../support/cleanup.ts";
import { createTestDatabase } from "../../support/database.ts";
import { eventually } from "../../support/eventually.ts";

test("a transaction whose statement hangs ends with its deadline, and leaves its connection to nobody", { timeout: 10_000 }, async (t) => {
  const db = connectDatabase({ url: await createTestDatabase(), poolMax: 1, onError: assert.fail });
  onCleanup(() => db.close());
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => t.mock.timers.tick(60_000));
  const hanging = db.transaction(async (tx) => {
    await tx.executor.executeSql("create table t ()");
    const hung = tx.executor.executeSql("select pg_sleep(600)");
    // Of this statement alone: time for another one, such as a rollback, does not come.
    t.mock.timers.tick(60_000);
    await hung;
  });
  await assert.rejects(hanging, (error) => /read timeout/.test(String(error)) && isDatabaseAway(error));
  assert.deepEqual((await db.executor.executeSql("select to_regclass('t') as t")).rows, [{ t: null }]);
});

test("what a process that is frozen in a transaction has locked is free after ten seconds", { timeout: 30_000 }, async () => {
  const url = await createTestDatabase();
  const db = connectDatabase({ url, poolMax: 2, onError: () => {} });
  onCleanup(() => db.close());
  const startedAt = performance.now();
  const frozen = db.transaction(async (tx) => {
    await tx.executor.executeSql("update tenant set name = name");
    await db.executor.executeSql("update tenant set name = name");
  });
  await assert.rejects(frozen, isDatabaseAway);
  assert.ok(performance.now() - startedAt < 15_000);
});

test(
  "a statement that waits for a lock ends soon after its client has gone, with all that its transaction has locked",
  { timeout: 40_000 },
  async () => {
    const db = connectDatabase({ url: await createTestDatabase(), poolMax: 3, onError: () => {} });
    onCleanup(() => db.close());
    await db.executor.executeSql("create table t as select 1 as n");
    const countWaiting = async () =>
      (
        await db.executor.executeSql(
          "select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
        )
      ).rows[0]?.["n"];
    await db.transaction(async (holder) => {
      await holder.executor.executeSql("select 1 from t for update");
      const goneInTransaction = db.transaction(async (tx) => {
        const waiting = tx.executor.executeSql("select 2 from t for update");
        await eventually("it to wait", async () => (await countWaiting()) === 1);
        (tx.client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
        await waiting;
      });
      // The holder is ours as well, and may not be idle for ten seconds.
      const isGone = async () => (await holder.executor.executeSql("select 1"), (await countWaiting()) === 0);
      await Promise.all([assert.rejects(goneInTransaction, isDatabaseAway), eventually("the server to notice", isGone, 20_000)]);
    });
  },
);

test("the first change that is refused after a failover gives up every connection from before", async () => {
  const { db, openForChanges } = await openAsReadOnly(4);
  const change = () => db.transaction((tx) => tx.executor.executeSql("update tenant set name = name returning pg_backend_pid() as pid"));
  const inUse = Promise.withResolvers<void>();
  let release = () => {};
  const reading = db.transaction(async () => {
    inUse.resolve();
    await new Promise<void>((resolve) => (release = resolve));
  });
  await inUse.promise;
  // Three more that are idle.
  await Promise.all([1, 2, 3].map(() => db.executor.executeSql("select pg_sleep(0.05)")));
  assert.equal(db.pool.totalCount, 4);
  await openForChanges();
  await assert.rejects(change(), isDatabaseAway);
  release();
  await reading;
  await Promise.all([1, 2, 3, 4].map(change));
  const { rows } = await db.executor.executeSql("show default_transaction_read_only");
  assert.deepEqual(rows, [{ default_transaction_read_only: "off" }]);

  // What is made after that stays.
  const before = await change();
  assert.deepEqual((await change()).rows, before.rows);
});

test("a connection on which a single statement was refused as a change is given up with all others", async () => {
  const { db, openForChanges } = await openAsReadOnly(2);
  await Promise.all([1, 2].map(() => db.executor.executeSql("select pg_sleep(0.05)")));
  await openForChanges();
  await assert.rejects(db.executor.executeSql("update tenant set name = name"), isDatabaseAway);
  await Promise.all([1, 2].map(() => db.executor.executeSql("update tenant set name = name")));
});

/** A pool of a database that can only be read, as to its sessions from before `openForChanges`. */
async function openAsReadOnly(poolMax: number) {
  const url = await createTestDatabase();
  const set = (setting: string) =>
    withOwnConnection(process.env["TEST_POSTGRES_URL"] ?? "", (_, server) =>
      server.executeSql(`alter database ${new URL(url).pathname.slice(1)} ${setting}`),
    );
  await set("set default_transaction_read_only = on");
  const db = connectDatabase({ url, poolMax, onError: assert.fail });
  onCleanup(() => db.close());
  return { db, openForChanges: () => set("reset default_transaction_read_only") };
}

test("a connection of the pool stays five minutes at most, however much it is asked", async (t) => {
  const db = connectDatabase({ url: await createTestDatabase(), poolMax: 1, onError: assert.fail });
  onCleanup(() => db.close());
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const backend = () => db.transaction(async (tx) => (await tx.executor.executeSql("select pg_backend_pid() as pid")).rows);
  const first = await db.transaction(async (tx) => {
    const { rows } = await tx.executor.executeSql("select pg_backend_pid() as pid");
    t.mock.timers.tick(299_000);
    return rows;
  });
  assert.deepEqual(await backend(), first);
  await db.transaction(async () => t.mock.timers.tick(1_000));
  assert.notDeepEqual(await backend(), first);
});

test("the lock of a process is not taken where only reading is possible, as on a standby, which has its own", async () => {
  const { db } = await openAsReadOnly(1);
  await assert.rejects(takeOwnership({ url: db.url, onLost: assert.fail }), (error: Error) => isDatabaseAway(error));
});

test("a session whose own settings take longer than the statement_timeout that they take off gets them all the same", async () => {
  let asked = 0;
  const answers = (timeouts: number) => ({
    query: async () => {
      asked += 1;
      if (asked <= timeouts) throw Object.assign(new Error("canceling statement due to statement timeout"), { code: "57014" });
    },
  });
  await prepareSession(answers(4) as unknown as pg.Client);
  assert.equal(asked, 5);
  asked = 0;
  await assert.rejects(prepareSession(answers(5) as unknown as pg.Client), { code: "57014" });
});

test("the server compiles none of our statements, which are short", async () => {
  const url = await createTestDatabase();
  // As on a server that has only its defaults.
  await withOwnConnection(url, (_, server) => server.executeSql(`alter database ${new URL(url).pathname.slice(1)} set jit = on`));
  const db = connectDatabase({ url, poolMax: 1, onError: assert.fail });
  onCleanup(() => db.close());
  const loading: Transaction = (work) => withOwnConnection(url, (transaction) => transaction(work));
  const { transaction, keyedTransaction, fleetingTransaction } = db;
  for (const [name, inTransaction] of Object.entries({ transaction, keyedTransaction, fleetingTransaction, loading })) {
    const [row] = await inTransaction(async (tx) => (await tx.client.query<{ jit: string }>("show jit")).rows);
    assert.equal(row?.jit, "off", name);
  }
  assert.deepEqual((await db.executor.executeSql("show jit")).rows, [{ jit: "off" }]);
});

test("where a prepared statement is not in its session, or another's is, a pooler is named as what may be in the way", async () => {
  const db = connectDatabase({ url: await createTestDatabase(), poolMax: 1, onError: assert.fail });
  onCleanup(() => db.close());
  const prepared = () => db.transaction((tx) => tx.client.query({ name: "one", text: "select 1" }));
  // What a pooler does by giving this connection another session: the first has a statement of that name, the second has none.
  await db.executor.executeSql("prepare one as select 2");
  await assert.rejects(prepared(), /"one" already exists; perhaps the pooler .+Set pool_mode = session/);
  await db.executor.executeSql("deallocate one");
  await prepared();
  await db.executor.executeSql("deallocate one");
  await assert.rejects(prepared(), /"one" does not exist; perhaps the pooler .+Set pool_mode = session/);
});

test("a certificate of an authority that is not known is refused with how to name that", async () => {
  const { selfSigned } = await makeCertificates();
  // As PostgreSQL does: it is asked for TLS, says yes, and shakes hands.
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write("S");
      new TLSSocket(socket, { isServer: true, ...selfSigned }).on("error", () => {});
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onCleanup(() => server.close());
  const url = `postgres://u:p@127.0.0.1:${(server.address() as AddressInfo).port}/x?sslmode=verify-full`;
  await assert.rejects(migrateDatabase(url), /self-signed certificate.+\. Name the file .+sslrootcert=/);
});

/** Other systems let a server wait for an answer's receipt as long as they like. */
const onLinux = { skip: process.platform !== "linux" };

test("the server looks within half a minute after a client that is silent, or takes no answer", onLinux, async () => {
  const url = await createTestDatabase();
  const db = connectDatabase({ url, poolMax: 1, onError: assert.fail });
  onCleanup(() => db.close());
  const loading: Transaction = (work) => withOwnConnection(url, (transaction) => transaction(work));
  for (const inTransaction of [db.transaction, loading]) {
    const rows = await inTransaction((tx) => tx.executor.executeSql(LOOKS));
    // Of a connection by TCP the server says what its system does, and not what it was told.
    const [seconds, answerMs] = Object.values(rows.rows[0] ?? {}).map(Number);
    assert.deepEqual([seconds, answerMs], [30, 30_000]);
  }
});

const LOOKS = `
  select max(setting::int) filter (where name like '%_idle')
      + max(setting::int) filter (where name like '%_interval') * max(setting::int) filter (where name like '%_count'),
    max(setting::int) filter (where name = 'tcp_user_timeout') as answer
  from pg_settings where name like 'tcp\\_%'`;

test("every connection asks for a sign of life after ten quiet seconds", async (t) => {
  const url = await createTestDatabase();
  const { mock } = t.mock.method(Socket.prototype, "setKeepAlive");
  const connections = { pool: 1, loading: 1, ownership: 1, sharing: 1, listening: 1, migration: 2 };
  const open: Record<keyof typeof connections, () => Promise<unknown>> = {
    async pool() {
      const db = connectDatabase({ url, poolMax: 1, onError: assert.fail });
      onCleanup(() => db.close());
      await db.executor.executeSql("select 1");
    },
    loading: () => withOwnConnection(url, (transaction) => transaction(async () => {})),
    async ownership() {
      const held = await takeOwnership({ url, onLost: assert.fail });
      onCleanup(async () => held?.close());
    },
    async sharing() {
      const share = await useServer(url);
      onCleanup(() => share.close());
    },
    async listening() {
      const isListening = Promise.withResolvers<void>();
      const listener = listen({ url, channels: { news: () => isListening.resolve() } });
      onCleanup(() => listener.close());
      await isListening.promise;
    },
    migration: () => migrateDatabase(url),
  };
  for (const name of Object.keys(connections) as (keyof typeof connections)[]) {
    mock.resetCalls();
    await open[name]();
    assert.deepEqual(
      mock.calls.map(({ arguments: given }) => given),
      Array.from({ length: connections[name] }, () => [true, 10_000]),
      name,
    );
  }
});
