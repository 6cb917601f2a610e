import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AcceptedBatch, Batch } from "../../src/contract/batch.ts";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startOrigin } from "../support/origin.ts";
import { startService } from "../support/service.ts";

describe("thousands of images of a slow host hold back neither another batch nor others of their own", { concurrency: true }, () => {
  test("where their URLs name it", { timeout: 90_000 }, () => demandNoneHeldBack({ isRedirected: false }));
  test("where another host leads to it", { timeout: 90_000 }, () => demandNoneHeldBack({ isRedirected: true }));
});

async function demandNoneHeldBack({ isRedirected }: { isRedirected: boolean }): Promise<void> {
  const photo = await makeSamplePhoto({ width: 64, height: 48, seed: 1, format: "jpeg" });
  let given = 0;
  const quick = await startOrigin((_, response) => void response.setHeader("content-type", "image/jpeg").end(photo));
  const slow = await startOrigin((_, response) => {
    setTimeout(() => {
      given += 1;
      response.setHeader("content-type", "image/jpeg").end(photo);
    }, 5_000).unref();
  });
  const named = isRedirected
    ? await startOrigin((_, response, { pathname }) => void response.writeHead(302, { location: `${slow.url}${pathname}` }).end())
    : slow;
  const service = await startService({
    DATABASE_URL: await createTestDatabase(),
    DATA_DIR: await createTestFolder(),
    ENCODERS: "1",
    DOWNLOADS_PER_HOST: "32",
  });
  const begin = async (urls: readonly string[]): Promise<AcceptedBatch> => {
    const body = JSON.stringify({ products: urls.map((url) => ({ images: [url] })) });
    const response = await fetch(`${service.url}/v1/batches`, { method: "POST", headers: { "content-type": "application/json" }, body });
    return (await response.json()) as AcceptedBatch;
  };
  const look = async ({ links }: AcceptedBatch) => (await (await fetch(links.self)).json()) as Batch;
  const urls = (from: string, name: string, count: number) => Array.from({ length: count }, (_, index) => `${from}/${name}${index}.jpg`);

  const large = await begin([...urls(named.url, "slow", 3_000), ...urls(quick.url, "own", 100)]);
  await eventually("its first answers", async () => given > 0);
  const other = await begin(urls(quick.url, "other", 400));
  await eventually("all of the other batch", async () => (await look(other)).finishedAt !== null, 60_000);
  await eventually("all of its own", async () => (await look(large)).progress.completed >= 100 + given - 32, 60_000);
  // 32 at once are 6.4 a second: as many of them as of the other batch would have been a minute.
  assert.ok(given <= 300, `${given} of the slow host's images came meanwhile`);
  await fetch(`${service.url}/v1/batches/${large.batchId}/cancel`, { method: "POST" });
  await eventually("the end", async () => (await look(large)).finishedAt !== null, 30_000);
  const { completed, failed, skipped, total } = (await look(large)).progress;
  assert.deepEqual([completed + skipped, failed], [total, 0]);
}
