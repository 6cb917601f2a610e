import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { startEmbeddedPostgres } from "../../src/embedded/embedded-postgres.ts";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { onCleanup } from "../support/cleanup.ts";
import { placeCluster } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { processesNaming } from "../support/processes.ts";
import { startReceiver } from "../support/receiver.ts";
import { startService, type Service } from "../support/service.ts";
import { slowCatalogue, startSlowOrigin } from "../support/slow-catalogue.ts";

const CRASHES = 10;

test(
  "PostgreSQL stopped at once and started again, ten times: no process exits, nothing is lost, work resumes",
  { timeout: 180_000 },
  async (t) => {
    const folder = await createTestFolder();
    await placeCluster(folder);
    // Its own watch starts the server again, as an init system would.
    const postgres = await startEmbeddedPostgres({ dataDir: folder, port: 0, log: () => {} });
    onCleanup(postgres.stop);
    postgres.keepRunning();
    const postmaster = () => processesNaming(`-D ${folder}/postgres`)[0]?.pid ?? 0;
    const photo = await makeSamplePhoto({ width: 320, height: 240, seed: 3, format: "jpeg" });
    const origin = await startSlowOrigin(100, photo);
    const receiver = await startReceiver();
    const service = await startService({ DATABASE_URL: postgres.url, DATA_DIR: await createTestFolder(), DOWNLOADS: "2", ENCODERS: "1" });
    const { requestId } = await service.upload(slowCatalogue(origin, 600), { webhookUrl: receiver.url });
    let resumedAfterMs = 0;

    for (let crash = 1; crash <= CRASHES; crash += 1) {
      const before = await completed(service, requestId);
      const pid = postmaster();
      process.kill(pid, "SIGQUIT");
      await eventually("the server to be gone", async () => postmaster() !== pid, 10_000);
      await eventually("the server to be back", async () => canConnect(postgres.url), 20_000);
      const backAt = performance.now();
      await eventually(`work after crash ${crash}`, async () => (await completed(service, requestId).catch(() => 0)) > before, 20_000);
      resumedAfterMs = Math.max(resumedAfterMs, performance.now() - backAt);
    }
    t.diagnostic(`resumed within ${Math.round(resumedAfterMs)} ms of the server's return`);
    assert.ok(resumedAfterMs < 10_000, `${resumedAfterMs} ms`);
    assert.equal(service.process.exitCode, null);
    const status = await service.finished(requestId, 120_000);
    assert.deepEqual(status.progress, { total: 600, completed: 600, failed: 0, skipped: 0, reused: 0, percent: 100 });
    await eventually("the event", async () => receiver.deliveries.length > 0);
    assert.equal((await service.kill("SIGTERM")).code, 0);
  },
);

async function completed(service: Service, requestId: string): Promise<number> {
  return (await service.status(requestId, "?limit=1")).progress.completed;
}

async function canConnect(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.query("select 1");
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}
