import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { isDatabaseAway } from "../../src/db/connect.ts";
import { migrateDatabase } from "../../src/db/migrate.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startService } from "../support/service.ts";

/** Each is at home somewhere; together they meet everything that we ask of a session. */
const SETTINGS = {
  datestyle: "'SQL, DMY'",
  timezone: "'Asia/Kathmandu'",
  intervalstyle: "sql_standard",
  standard_conforming_strings: "off",
  default_transaction_isolation: "serializable",
  statement_timeout: "'20ms'",
  lock_timeout: "'1ms'",
  idle_session_timeout: "'100ms'",
  search_path: "tenantx",
};

test("whatever is set for a database, its tables are made, a batch ends, and its times are told", { timeout: 60_000 }, async () => {
  const { url, admin } = await createEmptyDatabase();
  const database = new URL(url).pathname.slice(1);
  const inside = await connect(url);
  await inside.query("create schema tenantx");
  for (const [name, value] of Object.entries(SETTINGS)) await admin.query(`alter database ${database} set ${name} = ${value}`);
  const origin = await startOrigin();
  const service = await startService({ DATABASE_URL: url, DATA_DIR: await createTestFolder(), ENCODERS: "1" });
  const startedAt = Date.now();
  const { requestId } = await service.upload(catalogueOf([[`${origin.url}/photo/1.jpg`], [`${origin.url}/photo/2.jpg`]]));
  const status = await service.finished(requestId);
  assert.equal(status.progress.completed, 2);
  assert.ok(Math.abs(Date.parse(status.createdAt) - startedAt) < 60_000, status.createdAt);
  for (const view of ["batches", "images"]) assert.equal((await fetch(`${service.url}/v1/reports/${view}`)).status, 200, view);
  const { rows: strays } = await inside.query("select relname from pg_class where relnamespace = 'public'::regnamespace");
  assert.deepEqual(strays, [], "all tables lie where search_path says");
  assert.deepEqual(
    service.output.filter((line) => line.startsWith("{")),
    [],
    "no connection was ended for being idle, and no command refused",
  );
  assert.equal((await service.kill("SIGTERM")).code, 0);
});

test("a server that refuses the tables is quoted at the start", async () => {
  const { url, admin } = await createEmptyDatabase();
  await admin.query(`alter database ${new URL(url).pathname.slice(1)} set search_path = nowhere`);
  await assert.rejects(
    startService({ DATABASE_URL: url, DATA_DIR: await createTestFolder() }),
    /cannot be used: no schema has been selected to create in$/,
  );
});

test("a database that can only be read is waited for at the start, and said to be so", async () => {
  const { url, admin } = await createEmptyDatabase();
  await migrateDatabase(url);
  await admin.query(`alter database ${new URL(url).pathname.slice(1)} set default_transaction_read_only = on`);
  await assert.rejects(migrateDatabase(url), (error: Error) => isDatabaseAway(error) && /can only be read/.test(error.message));
});

/** Without any tables. */
async function createEmptyDatabase() {
  const url = new URL(await createTestDatabase());
  const name = url.pathname.slice(1);
  const admin = await connect(process.env["TEST_POSTGRES_URL"] ?? "");
  await admin.query(`drop database ${name} with (force)`);
  await admin.query(`create database ${name}`);
  return { url: url.href, admin };
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onCleanup(() => client.end());
  return client;
}
