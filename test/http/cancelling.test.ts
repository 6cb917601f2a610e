import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { before, describe, test } from "node:test";
import { Webhook } from "standardwebhooks";
import type { AcceptedBatch, Batch } from "../../src/contract/batch.ts";
import type { Problem } from "../../src/contract/problem.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startOrigin, type Origin } from "../support/origin.ts";
import { startReceiver, type Receiver } from "../support/receiver.ts";
import { startService, type Service } from "../support/service.ts";

type Event = { type: string; data: { status: string; outcome: string; progress: { completed: number; skipped: number } } };

describe("a batch that is cancelled", () => {
  let service: Service;
  let origin: Origin;
  let receiver: Receiver;
  /** Answers that the origin keeps back. */
  const kept: ServerResponse[] = [];
  before(async () => {
    origin = await startOrigin((_, response, url) => {
      if (url.pathname.startsWith("/kept/")) kept.push(response);
      else response.writeHead(404).end();
    });
    receiver = await startReceiver();
    service = await startService({
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: await createTestFolder(),
      DOWNLOADS_PER_HOST: "4",
      ENCODERS: "2",
    });
  });

  const photos = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${origin.url}/photo/${name}${index}.jpg`);
  const keptBack = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${origin.url}/kept/${name}${index}.jpg`);
  const post = async (path: string, body?: unknown) => {
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const response = await fetch(`${service.url}${path}`, { method: "POST", ...json });
    return { status: response.status, answer: (await response.json()) as AcceptedBatch & Pick<Problem, "code" | "detail"> };
  };
  const begin = async (images: string[], options: Record<string, unknown> = {}) => {
    const products = images.map((url, index) => ({ id: `p${index}`, images: [url] }));
    const { status, answer } = await post("/v1/batches", { products, ...options });
    assert.equal(status, 202, answer.detail);
    return answer;
  };
  const cancel = ({ batchId }: { batchId: string }) => post(`/v1/batches/${batchId}/cancel`);
  const look = async ({ batchId }: Batch) => (await (await fetch(`${service.url}/v1/batches/${batchId}`)).json()) as Batch;
  const ended = (batch: Batch) =>
    eventually(`the end of ${batch.batchId}`, async () => ((await look(batch)).finishedAt === null ? null : look(batch)));
  const hits = () => [...origin.hits.keys()].filter((path) => /\/[ab]\d+\.jpg$/.test(path)).length;
  const textOf = async (url: string) => (await fetch(url)).text();

  test("ends with what is done: its results, its event, and nothing asked for after that", async () => {
    const batch = await begin([...photos("a", 20), ...keptBack("a", 40), ...photos("b", 140)], { webhookUrl: receiver.url });
    await eventually(
      "what comes to be done, and others to be kept back",
      async () => kept.length > 0 && (await look(batch)).progress.completed >= 20,
    );

    for (const [query, body] of [["?host=127.0.0.1"], ["?dryRun=true"], ["", { host: "127.0.0.1" }], ["", [1]], ["", true]] as const) {
      const refused = await post(`/v1/batches/${batch.batchId}/cancel${query}`, body);
      assert.deepEqual([refused.status, refused.answer.code], [422, "invalid_options"], `what is meant for a part of it: ${query}`);
    }
    assert.equal((await look(batch)).cancelledAt, null);
    const first = await cancel(batch);
    const { status: shown, finishedAt, pausedAt, pauseReason } = first.answer;
    assert.deepEqual([first.status, shown, finishedAt, pausedAt, pauseReason], [200, "processing", null, null, null]);
    for (const what of ["pause", "resume", "resume?host=127.0.0.1"]) {
      const refused = await post(`/v1/batches/${batch.batchId}/${what}`);
      assert.deepEqual([refused.status, refused.answer.code], [409, "batch_ended"], what);
      assert.match(refused.answer.detail, /cancelled/);
    }

    const end = await ended(batch);
    const asked = hits();
    const { completed, failed, skipped, percent } = end.progress;
    assert.deepEqual([end.status, end.outcome, end.cancelledAt, failed, percent], ["cancelled", "some", first.answer.cancelledAt, 0, 100]);
    assert.ok(completed >= 20 && completed + skipped === 200, JSON.stringify(end.progress));
    assert.deepEqual([end.pausedAt, end.pauseReason], [null, null]);
    assert.ok(skipped >= 40, "what was kept back did not come");
    for (const again of [await cancel(batch), await cancel(batch)])
      assert.deepEqual([again.status, again.answer.status], [200, "cancelled"]);

    const results = await textOf(end.links.resultsCsv);
    assert.equal(results.split("/outputs/").length - 1, completed);
    assert.equal(results.split("1: cancelled: The batch was cancelled.").length - 1, skipped);
    const left = await textOf(end.links.failuresCsv);
    assert.equal(left.trim().split("\n").length - 1, skipped, "the rows that are left to be uploaded again");
    const [output] = /http\S+\/outputs\/[^",\s]+\.jpg/.exec(results) ?? [];
    assert.equal((await fetch(output ?? "")).headers.get("content-type"), "image/jpeg");
    const status = await service.status(batch.batchId);
    assert.deepEqual([status.status, status.progress.skipped], ["cancelled", skipped]);

    const delivery = await eventually("the event", async () => receiver.deliveries[0]);
    new Webhook(batch.webhookSecret ?? "").verify(delivery.body, delivery.headers as Record<string, string>);
    const { type, data } = JSON.parse(delivery.body) as Event;
    assert.deepEqual([type, data.status, data.outcome, data.progress.skipped], ["batch.cancelled", "cancelled", "some", skipped]);

    await ended(await begin(photos("after", 3)));
    assert.equal(hits(), asked, "nothing of it was asked for while another batch came and went");
  });

  test("is told to a receiver of the seed's webhook as an end", async () => {
    const seed = await startReceiver();
    const batch = await begin(keptBack("seed", 20), { webhookUrl: seed.url, webhookPayload: "seed" });
    await cancel(batch);
    const { body } = await eventually("the seed's webhook", async () => seed.deliveries[0]);
    const { status, message } = JSON.parse(body) as { status: string; message: string };
    assert.deepEqual([status, message], ["cancelled", "0 of 20 images are done, 0 failed, 20 skipped."]);
  });

  test("after its end, or where there is none such, is refused", async () => {
    const batch = await begin(photos("end", 2));
    await ended(batch);
    const { status, answer } = await cancel(batch);
    assert.deepEqual([status, answer.code, (await look(batch)).status], [409, "batch_ended", "completed"]);
    const unknown = await cancel({ batchId: "019abc12-3456-7def-8123-456789abcdef" });
    assert.deepEqual([unknown.status, unknown.answer.code], [404, "batch_not_found"]);
  });
});
