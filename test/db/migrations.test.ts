import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import pg from "pg";
import { writeResultFile } from "../../src/csv/write-result-file.ts";
import { connectDatabase } from "../../src/db/connection/connect.ts";
import { findBatch } from "../../src/db/batches.ts";
import { recordPages } from "../../src/db/list-products.ts";
import { migrateDatabase } from "../../src/db/connection/migrate.ts";
import { DEFAULT_TENANT_ID } from "../../src/domain/ids.ts";
import { openQueue } from "../../src/queue/queue.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

const BATCH_ID = "019abc12-3456-7def-8123-456789abcdef";
const migrations = new URL("../../migrations/", import.meta.url);
const { entries: journal } = JSON.parse(await readFile(new URL("meta/_journal.json", migrations), "utf8")) as {
  entries: { tag: string; when: number }[];
};

function whenOf(tag: string): number {
  const found = journal.find((entry) => entry.tag === tag);
  assert.ok(found, tag);
  return found.when;
}

test("a batch that an earlier version took goes on after the migration, with its rows as they were", async () => {
  const url = await createTestDatabase();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onCleanup(() => client.end());
  const [first] = journal;
  assert.ok(first);
  await client.query("drop schema public cascade; create schema public; drop schema drizzle cascade; create schema drizzle");
  await client.query("create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)");
  await client.query(await readFile(new URL(`${first.tag}.sql`, migrations), "utf8"));
  await client.query("insert into drizzle.__drizzle_migrations (hash, created_at) values ('old', $1)", [first.when]);
  const facts = {
    header: ["S. No", "Product Name", "Input Image Urls"],
    headerLine: 1,
    columns: { serial: 0, name: 1, urls: 2 },
    delimiter: ";",
    encoding: "utf-8",
    hasBom: true,
    newline: "\r\n",
    products: 2,
    images: 2,
  };
  await client.query(
    "insert into batch (batch_id, tenant_id, token, recipe, on_invalid, csv_bytes, csv_facts, products, images_total) values ($1, $2, 't', '{}', 'skip', 1, $3, 2, 2)",
    [BATCH_ID, DEFAULT_TENANT_ID, facts],
  );
  await client.query(
    `insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, cells) values
    ($1, 2, 0, '1', 'Mug', '1', '{https://a.test/1}', $2), ($1, 3, 1, '2', 'Cup', '2', '{https://a.test/2}', $3)`,
    [BATCH_ID, ["1", 'A "mug"; blue', "https://a.test/1"], ["2", "Cup", " https://a.test/2"]],
  );
  await client.query(
    "insert into image (batch_id, ordinal, line, position, slug, url, host) values ($1, 0, 2, 1, '1', 'https://a.test/1', 'a.test')",
    [BATCH_ID],
  );
  await client.query("insert into pgboss.job (name, data, priority) values ('image', $1, -3)", [{ batchId: BATCH_ID, ordinal: 0 }]);

  await migrateDatabase(url);
  const db = connectDatabase({ url, poolMax: 1, onError: () => {} });
  onCleanup(() => db.close());
  const queue = await openQueue({ executor: db.executor, supervise: false, onError: assert.fail });
  onCleanup(() => queue.stop());
  assert.deepEqual((await db.executor.executeSql("select stem from image")).rows, [{ stem: "1-1" }]);
  const {
    claims: [claim],
  } = await db.keyedTransaction((tx) => queue.claimImages(tx, 1));
  assert.deepEqual([claim?.data, claim?.priority], [{ batchId: BATCH_ID, ordinal: 0 }, -3]);
  const batch = await findBatch(db.executor, DEFAULT_TENANT_ID, BATCH_ID);
  assert.ok(batch);
  const pieces = [];
  for await (const piece of writeResultFile({
    facts: batch.csvFacts,
    shape: "append",
    names: ["main"],
    products: recordPages(db.executor, BATCH_ID),
    outputUrl: String,
  }))
    pieces.push(piece);
  assert.equal(
    Buffer.concat(pieces).toString(),
    [
      "\uFEFFS. No;Product Name;Input Image Urls;Output Image Urls;Status;Errors",
      '1;"A ""mug""; blue";https://a.test/1;;pending;',
      '2;Cup;" https://a.test/2";;pending;',
      "",
    ].join("\r\n"),
  );
});

test("a role that may not make the tables is told what it needs, and that is enough", async () => {
  const url = await createTestDatabase();
  const name = new URL(url).pathname.slice(1);
  const role = `role_${name}`;
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  onCleanup(() => admin.end());
  await admin.query("drop schema public, drizzle, pgboss, report cascade; create schema public; grant usage on schema public to public");
  await admin.query(`create role ${role} login password 'secret'`);
  const theirs = Object.assign(new URL(url), { username: role, password: "secret" }).href;
  try {
    await assert.rejects(migrateDatabase(theirs), /permission denied for database .+`grant create on database NAME to ROLE`/);
    await admin.query(`grant create on database ${name} to ${role}`);
    await assert.rejects(migrateDatabase(theirs), /permission denied for schema public.+`grant create on schema public to ROLE`/);
    await admin.query(`alter role ${role} set search_path = shop`);
    await assert.rejects(migrateDatabase(theirs), /no schema has been selected .+`create schema NAME authorization ROLE`/);
    await admin.query(`create schema shop authorization ${role}`);
    await migrateDatabase(theirs);
    await admin.query("drop schema shop, drizzle, report cascade");
    await admin.query(`alter role ${role} reset search_path; grant create on schema public to ${role}`);
    await migrateDatabase(theirs);
    await admin.query("alter table host_pause owner to current_user");
    await admin.query("delete from drizzle.__drizzle_migrations where created_at >= $1", [whenOf("0020_asked_pauses")]);
    await assert.rejects(migrateDatabase(theirs), /must be owner of table host_pause.+`alter table NAME owner to ROLE`/);
    await admin.query(`alter table host_pause owner to ${role}`);
    await migrateDatabase(theirs);
  } finally {
    await admin.query(`drop owned by ${role} cascade; drop role ${role}`);
  }
});

test("a database that a newer version has migrated is refused, with the way out", async () => {
  const url = await createTestDatabase();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onCleanup(() => client.end());
  await client.query("insert into drizzle.__drizzle_migrations (hash, created_at) values ('newer', 4102444800000)");
  await assert.rejects(migrateDatabase(url), /was migrated by a newer version of Pressrun.*bring back the backup/);
});

test("a process that waits for another one to migrate says so, hears a stop, and goes on after it", async () => {
  const url = await createTestDatabase();
  const other = new pg.Client({ connectionString: url });
  await other.connect();
  onCleanup(() => other.end());
  await migrateDatabase(url, { waiting: () => assert.fail("nobody else migrates") });
  // The lock that every process takes for a migration; its number must never change, since versions run side by side in an upgrade.
  await other.query("select pg_advisory_lock(8102099357864587886)");
  const stop = new AbortController();
  const stopped = assert.rejects(migrateDatabase(url, { signal: stop.signal }), { name: "AbortError" });
  await eventually("the server to wait", async () => {
    const waits = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    return (await other.query(waits)).rowCount === 1;
  });
  stop.abort();
  await stopped;
  const { promise: waiting, resolve: onWaiting } = Promise.withResolvers<void>();
  const migrated = migrateDatabase(url, { waiting: onWaiting });
  await waiting;
  await other.query("select pg_advisory_unlock(8102099357864587886)");
  await migrated;
});

test("a migration behind a dashboard's open transaction says whose it is, holds up nobody else, and goes on after it", async () => {
  const url = await createTestDatabase();
  const [dashboard, admin] = ["dashboard", "admin"].map((name) => new pg.Client({ connectionString: url, application_name: name }));
  assert.ok(dashboard && admin);
  for (const client of [dashboard, admin]) {
    await client.connect();
    onCleanup(() => client.end());
  }
  await admin.query("delete from drizzle.__drizzle_migrations where created_at >= $1", [whenOf("0016_report_counts")]);
  await dashboard.query("begin; select from report.products");
  const { rows } = await dashboard.query<{ pid: number }>("select pg_backend_pid() as pid");
  const { promise: said, resolve: locked } = Promise.withResolvers<string>();
  const migrated = migrateDatabase(url, { locked });
  assert.equal(await said, `${rows[0]?.pid} (dashboard)`);
  await admin.query("set statement_timeout = 500");
  await admin.query("select from report.products");
  await dashboard.query("commit");
  await migrated;
  const { rows: done } = await admin.query("select max(created_at)::float8 as last from drizzle.__drizzle_migrations");
  assert.equal(done[0]?.last, journal.at(-1)?.when);
});
