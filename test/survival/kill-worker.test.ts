import assert from "node:assert/strict";
import { test } from "node:test";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startService } from "../support/service.ts";

test("kill -9 of one of two workers: the other takes over its images within 15 s", { timeout: 90_000 }, async (t) => {
  const photo = await makeSamplePhoto({ width: 320, height: 240, seed: 3, format: "jpeg" });
  // The first request of each image never gets an answer: whoever claimed it holds it until it dies.
  const held = new Set<string>();
  let isHolding = true;
  const origin = await startOrigin((_, response, url) => {
    if (isHolding) held.add(url.pathname);
    else response.end(photo);
  });
  const env = { DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder(), ENCODERS: "1", DOWNLOADS: "16" };
  const api = await startService({ ...env, ROLE: "api" });
  const doomed = await startService({ ...env, ROLE: "worker" });
  const { requestId } = await api.upload(catalogueOf(Array.from({ length: 4 }, (_, index) => [`${origin.url}/held/${index}.jpg`])));
  await eventually("the doomed worker to hold all images", async () => held.size === 4);

  const survivor = await startService({ ...env, ROLE: "worker" });
  isHolding = false;
  const killedAt = performance.now();
  await doomed.kill("SIGKILL");
  const status = await api.finished(requestId, 20_000);
  const rescueMs = performance.now() - killedAt;
  assert.equal(status.progress.completed, 4);
  assert.ok(rescueMs < 15_000, `took ${Math.round(rescueMs)} ms`);
  t.diagnostic(`rescued within ${Math.round(rescueMs)} ms`);
  assert.equal((await survivor.kill("SIGTERM")).code, 0);
  assert.equal((await api.kill("SIGTERM")).code, 0);
});
