import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { Executor } from "../../src/db/connect.ts";
import { watchVersion } from "../../src/db/watch-version.ts";
import { onCleanup } from "../support/cleanup.ts";
import { openTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startService } from "../support/service.ts";

const MIGRATE = "insert into drizzle.__drizzle_migrations (hash, created_at) values ('newer', 4102444800000)";
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
    const said = service.output.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      said.filter(({ level }) => level === 50).map(({ msg, detail }) => [msg, detail]),
      [["a newer version of Pressrun has migrated the database; stopping", SENTENCE]],
    );
  },
);

test("a newer migration is found at a look, and told once", { timeout: 10_000 }, async () => {
  const db = await openTestDatabase();
  const told: string[] = [];
  const { promise: found, resolve: onFound } = Promise.withResolvers<void>();
  const onNewer = (sentence: string) => {
    told.push(sentence);
    onFound();
  };
  const watch = await watchVersion({ executor: db.executor, onNewer, everyMs: 5 });
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
  type Answer = Awaited<ReturnType<Executor["executeSql"]>>;
  const hanging = Promise.withResolvers<Answer>();
  const answers = [() => Promise.reject(new Error("away")), () => hanging.promise];
  let asked = 0;
  const executor: Executor = { executeSql: async () => answers[asked++]?.() ?? assert.fail("asked again") };
  const told: string[] = [];
  const watch = await watchVersion({ executor, onNewer: (sentence) => told.push(sentence) });
  await watch.look();
  t.mock.timers.tick(600_000);
  assert.equal(asked, 2);
  watch.stop();
  hanging.resolve({ rows: [{ last: 4102444800000 }] });
  await watch.look();
  t.mock.timers.tick(600_000);
  assert.deepEqual([asked, told], [2, []]);
});
