import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { before, beforeEach, describe, test } from "node:test";
import type { AcceptedBatch, Batch } from "../../src/contract/batch.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startOrigin, type Origin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

/** So many of one host are asked for at once at first, more than it takes to spend a budget. */
const AT_ONCE = 32;

describe("a budget of failures", () => {
  let service: Service;
  let origin: Origin;
  /** Answers that the origin keeps back. */
  let kept: ServerResponse[] = [];
  let photo: Buffer;
  before(async () => {
    origin = await startOrigin((_, response) => void kept.push(response));
    photo = Buffer.from(await (await fetch(`${origin.url}/photo/it.jpg`)).arrayBuffer());
    service = await startService({
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: await createTestFolder(),
      DOWNLOADS: "96",
      ENCODERS: "1",
    });
  });
  beforeEach(() => {
    kept.forEach((response) => response.destroy());
    kept = [];
  });

  const names = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${origin.url}/${name}/${index}.jpg`);
  const begin = async (images: string[], budget: object) => {
    const response = await fetch(`${service.url}/v1/batches`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ products: images.map((url, index) => ({ id: `p${index}`, images: [url] })), ...budget }),
    });
    assert.equal(response.status, 202, await response.clone().text());
    return (await response.json()) as AcceptedBatch;
  };
  const look = async ({ batchId }: { batchId: string }) => (await (await fetch(`${service.url}/v1/batches/${batchId}`)).json()) as Batch;
  const until = (what: string, batch: Batch, isSo: (now: Batch) => boolean) =>
    eventually(what, async () => {
      const now = await look(batch);
      return isSo(now) ? now : null;
    });
  const take = (path: string) => kept.filter(({ req }) => req.url?.startsWith(path));
  const refuse = (response: ServerResponse) => response.writeHead(404).end();

  for (const budget of [{ pauseAtFailurePercent: 70 }, { pauseHostAtFailurePercent: 70 }])
    test(`is not spent by what is refused at once while the others come: ${Object.keys(budget).join()}`, async () => {
      const batch = await begin([...names("slow", AT_ONCE - 20), ...names("refused", 20)], budget);
      await eventually("all to be asked for", async () => kept.length === AT_ONCE);
      const slow = take("/slow/");
      slow.forEach((response) => response.writeHead(200, { "content-length": photo.length }).flushHeaders());
      take("/refused/").forEach(refuse);
      const now = await until("the refusals to be recorded", batch, ({ progress }) => progress.failed === 20);
      assert.deepEqual([now.pausedAt, now.hostsPaused], [null, 0], "20 of 32");
      slow.forEach((response) => response.end(photo));
      const { progress } = await until("the end", batch, ({ finishedAt }) => finishedAt !== null);
      assert.deepEqual([progress.completed, progress.failed], [12, 20]);
    });

  test("is not spent after a resume by what was asked for before", async () => {
    const batch = await begin([...names("first", AT_ONCE), ...names("later", 30)], { pauseAtFailurePercent: 60 });
    await eventually("the first to be asked for", async () => take("/first/").length === AT_ONCE);
    await fetch(`${service.url}/v1/batches/${batch.batchId}/pause`, { method: "POST" });
    const resumed = await fetch(`${service.url}/v1/batches/${batch.batchId}/resume`, { method: "POST" });
    assert.equal(resumed.status, 200);
    take("/first/").forEach(refuse);
    const now = await until("the refusals to be recorded", batch, (now) => now.progress.failed === AT_ONCE);
    assert.equal(now.pausedAt, null);
    const answering = setInterval(() => take("/later/").forEach((response) => response.end(photo)), 20);
    onCleanup(() => clearInterval(answering));
    const { progress } = await until("the end", batch, ({ finishedAt }) => finishedAt !== null);
    assert.deepEqual([progress.completed, progress.failed], [30, AT_ONCE]);
  });
});
