import assert from "node:assert/strict";
import { test } from "node:test";
import { connectDatabase, isDatabaseAway } from "../../src/db/connect.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";

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
