import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import pg from "pg";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { cpuMsOf, encodersOf } from "../support/processes.ts";
import { startService } from "../support/service.ts";

test("a worker that was frozen until its claim had lapsed leaves the file of who took over as it is", { timeout: 90_000 }, async () => {
  const photos = await Promise.all([1, 2].map((seed) => makeSamplePhoto({ width: 3_000, height: 2_000 * seed, seed, format: "jpeg" })));
  const origin = await startOrigin((_, response, url) => response.end(photos[(origin.hits.get(url.pathname) ?? 1) - 1]));
  const url = await createTestDatabase();
  const env = { DATABASE_URL: url, DATA_DIR: await createTestFolder(), ENCODERS: "1" };
  const api = await startService({ ...env, ROLE: "api" });
  const frozen = await startService({ ...env, ROLE: "worker" });
  const [encoder = -1] = await eventually("its encoder", async () => {
    const found = encodersOf(frozen.pid);
    return found.length > 0 && found;
  });
  const { requestId } = await api.upload(catalogueOf([[`${origin.url}/changing.jpg`]]));
  await eventually("the image to be fetched", async () => origin.hits.has("/changing.jpg"));
  const startedMs = cpuMsOf(encoder);
  await eventually("its encoder to be busy", async () => cpuMsOf(encoder) > startedMs + 20);
  frozen.process.kill("SIGSTOP");

  const other = await startService({ ...env, ROLE: "worker" });
  assert.equal((await api.finished(requestId)).progress.completed, 1);
  assert.equal(origin.hits.get("/changing.jpg"), 2);
  frozen.process.kill("SIGCONT");
  assert.equal((await frozen.kill("SIGTERM")).code, 0);

  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onCleanup(() => client.end());
  const { rows } = await client.query("select bytes::int, file_name from output");
  const file = await stat(join(env.DATA_DIR, "uploads/outputImages", requestId, "00000", rows[0]?.file_name));
  assert.equal(file.size, rows[0]?.bytes);
  assert.equal((await other.kill("SIGTERM")).code, 0);
  assert.equal((await api.kill("SIGTERM")).code, 0);
});
