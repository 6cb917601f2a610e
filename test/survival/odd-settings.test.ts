import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { isDatabaseAway } from "../../src/db/connection/connect.ts";
import { migrateDatabase } from "../../src/db/connection/migrate.ts";
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
/** Two, three and four bytes a letter. */
const NAME = "Çay 茶 🍵";

test("whatever is set for a database, its tables are made, a batch ends, and its times are told", { timeout: 60_000 }, async () => {
  const { url, admin } = await createEmptyDatabase("SQL_ASCII");
  const database = new URL(url).pathname.slice(1);
  const inside = await connect(url);
  await inside.query("create schema tenantx");
  for (const [name, value] of Object.entries(SETTINGS)) await admin.query(`alter database ${database} set ${name} = ${value}`);
  const origin = await startOrigin();
  const service = await startService({ DATABASE_URL: url, DATA_DIR: await createTestFolder(), ENCODERS: "1" });
  const startedAt = Date.now();
  const catalogue = catalogueOf([[`${origin.url}/photo/1.jpg`], [`${origin.url}/photo/2.jpg`]]);
  const { requestId } = await service.upload(catalogue.replace("Product 2", NAME));
  const status = await service.finished(requestId);
  assert.equal(status.progress.completed, 2);
  assert.equal(status.products[1]?.productName, NAME);
  assert.ok((await (await fetch(status.outputCsvUrl)).text()).includes(`2,${NAME},`));
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

test("where a role may have few connections, requests wait for each other, and the start says so", { timeout: 60_000 }, async () => {
  const { url, admin } = await createEmptyDatabase();
  const name = new URL(url).pathname.slice(1);
  await admin.query(`create role ${name} login password 'x' connection limit 12`);
  onCleanup(async () => {
    await admin.query(`drop database ${name} with (force)`);
    await admin.query(`drop role ${name}`);
  });
  await admin.query(`alter database ${name} owner to ${name}`);
  const own = new URL(url);
  own.username = name;
  own.password = "x";
  const service = await startService({ DATABASE_URL: own.href, ROLE: "api", DATA_DIR: await createTestFolder() });
  const asked = await Promise.all(Array.from({ length: 20 }, async () => (await fetch(`${service.url}/v1/batches`)).status));
  assert.deepEqual([...new Set(asked)], [200]);
  const said = service.output.filter((line) => line.startsWith("{"));
  assert.equal(said.length, 1, said.join("\n"));
  assert.match(said[0] ?? "", /"pool":4,"connectionsMax":12,"needed":24/);
  assert.equal((await service.kill("SIGTERM")).code, 0);
});

test("a server that refuses the tables is quoted at the start", async () => {
  const { url, admin } = await createEmptyDatabase();
  await admin.query(`alter database ${new URL(url).pathname.slice(1)} set search_path = nowhere`);
  await assert.rejects(
    startService({ DATABASE_URL: url, DATA_DIR: await createTestFolder() }),
    /cannot be used: no schema has been selected to create in\. Its search_path names no schema that exists/,
  );
});

test("a database that can only be read is waited for at the start, and said to be so", async () => {
  const { url, admin } = await createEmptyDatabase();
  await migrateDatabase(url);
  await admin.query(`alter database ${new URL(url).pathname.slice(1)} set default_transaction_read_only = on`);
  await assert.rejects(migrateDatabase(url), (error: Error) => isDatabaseAway(error) && /can only be read/.test(error.message));
});

test("a database in whose encoding most names cannot be written is refused, and the way out leads out", async () => {
  const { url, admin } = await createEmptyDatabase("LATIN1");
  const refusal = await migrateDatabase(url).then(
    () => assert.fail("it was taken"),
    (error: Error) => error.message,
  );
  assert.match(refusal, /^expected its encoding to be UTF8, got LATIN1,/);
  const database = new URL(url).pathname.slice(1);
  await admin.query(`drop database ${database}`);
  await admin.query(/`(create database .*)`/.exec(refusal)?.[1]?.replace("NAME", database) ?? "");
  await migrateDatabase(url);
});

/** Without any tables. */
async function createEmptyDatabase(encoding = "UTF8") {
  const url = new URL(await createTestDatabase());
  const name = url.pathname.slice(1);
  const admin = await connect(process.env["TEST_POSTGRES_URL"] ?? "");
  await admin.query(`drop database ${name} with (force)`);
  await admin.query(`create database ${name} encoding '${encoding}' locale 'C' template template0`);
  return { url: url.href, admin };
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onCleanup(() => client.end());
  return client;
}
