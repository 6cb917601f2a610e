import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import pg from "pg";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

describe("the end of a batch", () => {
  let service: Service;
  let db: Database;
  let origin: Origin;
  /** Whoever holds it stops the end of any batch of which it is the name. */
  const LOCK = 7;
  before(async () => {
    const url = await createTestDatabase();
    db = connectDatabase({ url, poolMax: 1, onError: () => {} });
    onCleanup(() => db.close());
    origin = await startOrigin();
    service = await startService({ DATABASE_URL: url, DATA_DIR: await createTestFolder() });
    await db.executor.executeSql(`
      create function wait_for_lock() returns trigger language plpgsql as $$ begin
        perform pg_advisory_xact_lock(${LOCK});
        return new;
      end $$;
      create trigger wait_for_lock before update on batch for each row
        when (old.metadata->>'size' = 'large' and old.finished_at is null and new.finished_at is not null) execute function wait_for_lock()`);
  });

  test("that takes long does not hold up the ends of others", async () => {
    const holder = new pg.Client({ connectionString: db.url });
    await holder.connect();
    onCleanup(() => holder.end());
    await holder.query("select pg_advisory_lock($1)", [LOCK]);
    const csv = catalogueOf([[`${origin.url}/photo/1.jpg`]]);
    const large = await service.upload(csv, { metadata: JSON.stringify({ size: "large" }) });
    const waiting = "select 1 from pg_locks where locktype = 'advisory' and objid = $1 and not granted";
    await eventually("the end of the large batch", async () => (await db.executor.executeSql(waiting, [LOCK])).rows.length > 0);
    await service.finished((await service.upload(csv)).requestId);
    assert.equal((await service.status(large.requestId)).finishedAt, null);
    await holder.query("select pg_advisory_unlock($1)", [LOCK]);
    await service.finished(large.requestId);
  });
});
