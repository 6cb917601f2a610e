import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connectDatabase } from "../../src/db/connection/connect.ts";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { onCleanup } from "../support/cleanup.ts";
import { placeCluster } from "../support/cluster.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { encodersOf, isAlive, processesNaming } from "../support/processes.ts";
import { startReceiver } from "../support/receiver.ts";
import { startService } from "../support/service.ts";
import { slowCatalogue, startSlowOrigin } from "../support/slow-catalogue.ts";

const IMAGES = 120;

describe("kill -9 of the service", { concurrency: true }, () => {
  test("kill -9 of the whole service in the middle of a batch, three times, loses and repeats nothing", { timeout: 120_000 }, async (t) => {
    const dataDir = await createTestFolder();
    await placeCluster(dataDir);
    const photo = await makeSamplePhoto({ width: 400, height: 300, seed: 3, format: "jpeg" });
    const origin = await startSlowOrigin(150, photo);
    const receiver = await startReceiver();
    const env = { DATA_DIR: dataDir, DOWNLOADS: "1", ENCODERS: "2" };
    onCleanup(() => {
      for (const { pid } of processesNaming(dataDir)) process.kill(pid, "SIGKILL");
    });

    let service = await startService(env);
    const { requestId } = await service.upload(slowCatalogue(origin, IMAGES), { webhookUrl: receiver.url });
    for (const goal of [10, 40, 70]) {
      await eventually(`${goal} images`, async () => (await service.status(requestId, "?limit=1")).progress.completed >= goal);
      const encoders = encodersOf(service.pid);
      assert.ok(encoders.length > 0);
      await service.kill("SIGKILL");
      await eventually("the encoders to follow their parent", async () => encoders.every((pid) => !isAlive(pid)), 5_000);

      const killedAt = performance.now();
      service = await startService(env);
      const before = (await service.status(requestId, "?limit=1")).progress.completed;
      await eventually("the batch to go on", async () => (await service.status(requestId, "?limit=1")).progress.completed > before, 15_000);
      t.diagnostic(`went on ${Math.round(performance.now() - killedAt)} ms after the kill`);
    }

    const status = await service.finished(requestId, 60_000);
    assert.deepEqual(status.progress, { total: IMAGES, completed: IMAGES, failed: 0, skipped: 0, reused: 0, percent: 100 });
    const folder = join(dataDir, "uploads", "outputImages", requestId, "00000");
    const outputs = await readdir(folder);
    assert.equal(outputs.length, IMAGES);
    for (const name of outputs) assert.ok((await stat(join(folder, name))).size > 1_000, `${name} is whole`);

    await eventually("the event", async () => receiver.deliveries.length > 0);
    const { code } = await service.kill("SIGTERM");
    assert.equal(code, 0);
    assert.equal(new Set(receiver.deliveries.map(({ headers }) => headers["webhook-id"])).size, 1, "one event, whatever was sent twice");
    assert.deepEqual(await readdir(join(dataDir, "uploads", "temp")), [], "nothing half-written stays");
    assert.deepEqual(processesNaming(dataDir), [], "the database went with the service");
  });

  test("what an attempt has stored before a kill -9 does not stay where the image fails after it", { timeout: 60_000 }, async () => {
    const dataDir = await createTestFolder();
    const databaseUrl = await createTestDatabase();
    const db = connectDatabase({ url: databaseUrl, poolMax: 2, onError: () => {} });
    onCleanup(() => db.close());
    const photo = await makeSamplePhoto({ width: 400, height: 300, seed: 3, format: "jpeg" });
    let isThere = true;
    const origin = await startOrigin((_, response) =>
      isThere ? response.writeHead(200, { "content-type": "image/jpeg" }).end(photo) : response.writeHead(404).end(),
    );
    const env = { DATA_DIR: dataDir, DATABASE_URL: databaseUrl };

    let service = await startService(env);
    const { requestId } = await service.upload(catalogueOf([[`${origin.url}/gone.jpg`, `${origin.url}/photo/1.jpg`]]), {
      outputs: JSON.stringify([{ name: "large" }, { name: "thumb", width: 100, format: "webp" }]),
    });
    const listOutputs = () => readdir(join(dataDir, "uploads", "outputImages", requestId, "00000")).catch(() => []);
    await db.transaction(async (tx) => {
      await tx.executor.executeSql("select from image where batch_id = $1 for update", [requestId]);
      await eventually("all outputs", async () => (await listOutputs()).length === 4);
      await service.kill("SIGKILL");
    });
    isThere = false;
    service = await startService(env);
    const { progress } = await service.finished(requestId);
    assert.deepEqual([progress.completed, progress.failed], [1, 1]);
    await eventually("the outputs of the failed image to go", async () => (await listOutputs()).length === 2);
    assert.deepEqual((await listOutputs()).toSorted(), ["1-2-large.jpg", "1-2-thumb.webp"]);
  });
});
