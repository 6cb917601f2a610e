import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connectDatabase, type Executor } from "../../src/db/connection/connect.ts";
import { readNewestMigration } from "../../src/db/connection/migrate.ts";
import { watchVersion } from "../../src/db/connection/watch-version.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase, openTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

const MIGRATE = "insert into drizzle.__drizzle_migrations (hash, created_at) values ('newer', 4102444800000)";
type Answer = Awaited<ReturnType<Executor["executeSql"]>>;
const SENTENCE =
  "it was migrated by a newer version of Pressrun, of 2100-01-01 or later. Start that version, or bring back the backup from before the upgrade.";

test(
  "a process whose database a newer version has migrated says so and ends, so that its images are not fetched for ever",
  { timeout: 30_000 },
  async () => {
    const db = await openTestDatabase();
    const origin = await startOrigin();
    const service = await startService({ DATABASE_URL: db.url, DATA_DIR: await createTestFolder(), ENCODERS: "1" });
    const closed = once(service.process, "close");
    // As a migration would: what a settle writes has another name.
    await db.executor.executeSql("alter table image rename column store_ms to placed_ms");
    await db.executor.executeSql(MIGRATE);
    await service.upload(catalogueOf([[`${origin.url}/photo/1.jpg`]]));
    assert.deepEqual(await closed, [1, null]);
    assert.deepEqual(errorsOf(service), [["a newer version of Pressrun has migrated the database; stopping", SENTENCE]]);
  },
);

test(
  "a process whose database is dropped is not ready, and ends at a request once there is an empty one in its place",
  { timeout: 30_000 },
  async () => {
    const url = await createTestDatabase();
    const name = new URL(url).pathname.slice(1);
    const server = connectDatabase({ url: process.env["TEST_POSTGRES_URL"] ?? "", poolMax: 1, onError: () => {} });
    onCleanup(() => server.close());
    const service = await startService({ DATABASE_URL: url, DATA_DIR: await createTestFolder(), ROLE: "api", DRAIN_SECONDS: "60" });
    const closed = once(service.process, "close");
    await server.executor.executeSql(`drop database ${name} with (force)`);
    assert.equal((await fetch(`${service.url}/readyz`)).status, 503);
    assert.equal((await fetch(`${service.url}/v1/batches`)).status, 503);
    await server.executor.executeSql(`create database ${name}`);
    assert.equal((await fetch(`${service.url}/v1/batches`)).status, 500);
    assert.deepEqual(await closed, [1, null]);
    assert.deepEqual(errorsOf(service), [
      ["a request failed unexpectedly", undefined],
      ["the database is not the one that was migrated at the start; stopping", undefined],
    ]);
  },
);

function errorsOf({ output }: Service): unknown[][] {
  const said = output.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Record<string, unknown>);
  return said.filter(({ level }) => level === 50).map(({ msg, detail }) => [msg, detail]);
}

test("a newer migration is found at a look, and told once", { timeout: 10_000 }, async () => {
  const db = await openTestDatabase();
  const told: string[] = [];
  const { promise: found, resolve: onFound } = Promise.withResolvers<void>();
  const onNewer = (sentence: string) => {
    told.push(sentence);
    onFound();
  };
  const watch = await watchVersion({ executor: db.executor, onNewer, onOther: assert.fail, everyMs: 5 });
  onCleanup(async () => watch.stop());
  await watch.look();
  assert.deepEqual(told, []);
  await db.executor.executeSql(MIGRATE);
  await found;
  // The first may be the look that found it.
  await watch.look();
  await watch.look();
  assert.deepEqual(told, [SENTENCE]);
});

test("a database that is away says nothing of its version, one that hangs is asked once, and after a stop nothing is told", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const hanging = Promise.withResolvers<Answer>();
  const answers = [() => Promise.reject(new Error("away")), () => hanging.promise];
  let asked = 0;
  const executor: Executor = { executeSql: async () => answers[asked++]?.() ?? assert.fail("asked again") };
  const told: string[] = [];
  const watch = await watchVersion({ executor, onNewer: (sentence) => told.push(sentence), onOther: assert.fail });
  await watch.look();
  t.mock.timers.tick(600_000);
  assert.equal(asked, 2);
  watch.stop();
  hanging.resolve({ rows: [{ last: 4102444800000 }] });
  await watch.look();
  t.mock.timers.tick(600_000);
  assert.deepEqual([asked, told], [2, []]);
});

test("tables that are missing at one look and not at the next end nothing; at two they do, as does an earlier migration", async () => {
  const newest = await readNewestMigration();
  const missing = () => Promise.reject(Object.assign(new Error("no such relation"), { code: "42P01" }));
  const forbidden = () => Promise.reject(Object.assign(new Error("permission denied"), { code: "42501" }));
  const last = (when: number | null) => async () => ({ rows: [{ last: when }] });
  const tellsOf = async (first: () => Promise<Answer>, second: () => Promise<Answer>): Promise<number> => {
    const answers = [first, second];
    let told = 0;
    const executor: Executor = { executeSql: async () => answers.shift()?.() ?? { rows: [{ last: newest }] } };
    const watch = await watchVersion({ executor, onNewer: assert.fail, onOther: () => (told += 1), againMs: 1 });
    onCleanup(async () => watch.stop());
    // What comes meanwhile is one look with the first.
    await Promise.all([watch.look(), watch.look()]);
    await watch.look();
    return told;
  };
  assert.equal(await tellsOf(missing, last(newest)), 0);
  assert.equal(await tellsOf(missing, forbidden), 0);
  assert.equal(await tellsOf(forbidden, forbidden), 0);
  // As rows of an earlier backup come in.
  assert.equal(await tellsOf(missing, last(newest - 1)), 0);
  assert.equal(await tellsOf(missing, missing), 1);
  assert.equal(await tellsOf(missing, last(null)), 1);
  assert.equal(await tellsOf(last(newest - 1), last(newest - 1)), 1);
});

test("a database without the schema of migrations, or without a row in it, is another one", async () => {
  for (const statement of ["drop schema drizzle cascade", "delete from drizzle.__drizzle_migrations"]) {
    const db = await openTestDatabase();
    let told = 0;
    const watch = await watchVersion({ executor: db.executor, onNewer: assert.fail, onOther: () => (told += 1), againMs: 1 });
    onCleanup(async () => watch.stop());
    await watch.look();
    assert.equal(told, 0);
    await db.executor.executeSql(statement);
    await watch.look();
    assert.equal(told, 1, statement);
  }
});
