import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startService } from "../support/service.ts";
import { slowCatalogue, startSlowOrigin } from "../support/slow-catalogue.ts";

describe("lost connections", { concurrency: true }, () => {
  test("a process whose connection is ended while it starts begins anew", { timeout: 60_000 }, async () => {
    const url = await createTestDatabase();
    // What a transaction sees of the server's activity stays as it was at its first look.
    const [admin, locking] = [1, 2].map(() => new pg.Client({ connectionString: url })) as [pg.Client, pg.Client];
    for (const client of [admin, locking]) {
      await client.connect();
      onCleanup(() => client.end());
    }
    // The start waits here, after its migrations, until its connection is ended.
    await locking.query("begin; lock table pgboss.version, pgboss.queue in access exclusive mode");
    const starting = startService({ DATABASE_URL: url, DATA_DIR: await createTestFolder(), ENCODERS: "1" });
    starting.catch(() => {});
    const waiting = `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    await eventually("the start to wait", async () => ((await admin.query(waiting)).rowCount ?? 0) > 0);
    await locking.query("rollback");
    const service = await starting;
    assert.ok(service.output.some((line) => line.includes("waiting for the database")));
    assert.equal((await fetch(`${service.url}/healthz`)).status, 200);
    assert.equal((await service.kill("SIGTERM")).code, 0);
  });

  test("every connection terminated once a second for a minute: no process exits and nothing is lost", { timeout: 150_000 }, async () => {
    const url = await createTestDatabase();
    const photo = await makeSamplePhoto({ width: 320, height: 240, seed: 3, format: "jpeg" });
    const origin = await startSlowOrigin(50, photo);
    const service = await startService({ DATABASE_URL: url, DATA_DIR: await createTestFolder(), DOWNLOADS: "2", ENCODERS: "1" });
    const { requestId } = await service.upload(slowCatalogue(origin, 1_000));
    const database = new URL(url).pathname.slice(1);
    const admin = new pg.Client({ connectionString: process.env["TEST_POSTGRES_URL"] });
    await admin.connect();
    onCleanup(() => admin.end());

    let terminated = 0;
    for (let second = 0; second < 60; second += 1) {
      const { rowCount } = await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", [database]);
      terminated += rowCount ?? 0;
      await delay(1_000);
    }
    assert.ok(terminated > 60, `only ${terminated} connections were ended`);
    assert.equal(service.process.exitCode, null, service.output.slice(-5).join("\n"));
    const status = await service.finished(requestId, 60_000);
    assert.deepEqual(status.progress, { total: 1_000, completed: 1_000, failed: 0, skipped: 0, reused: 0, percent: 100 });
    assert.equal((await service.kill("SIGTERM")).code, 0);
  });
});
