import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import type { FastifyRequest } from "fastify";
import pg from "pg";
import type { Batch } from "../../src/contract/batch.ts";
import type { Problem } from "../../src/contract/problem.ts";
import { BatchRemovedError } from "../../src/db/batches.ts";
import { knownProblem } from "../../src/http/problems.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startOrigin, type Origin } from "../support/origin.ts";
import { startReceiver } from "../support/receiver.ts";
import { rowsOfBatch } from "../support/rows-of-batch.ts";
import { startService, type Service } from "../support/service.ts";

type Answer = Batch & Pick<Problem, "code" | "detail">;
const FOLDERS = ["inputCsvFiles", "inputImages", "outputImages", "outputCsvFiles"];

describe("a batch that is removed", () => {
  let service: Service;
  let origin: Origin;
  let client: pg.Client;
  let dataDir: string;
  before(async () => {
    origin = await startOrigin((_, response, url) => {
      // Never answered.
      if (url.pathname !== "/kept.jpg") response.writeHead(404).end();
    });
    dataDir = await createTestFolder();
    const url = await createTestDatabase();
    service = await startService({ DATABASE_URL: url, DATA_DIR: dataDir });
    client = new pg.Client({ connectionString: url });
    await client.connect();
    onCleanup(() => client.end());
  });

  const ask = async (method: string, path: string, body?: unknown) => {
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const response = await fetch(new URL(path, service.url), { method, ...json });
    const text = await response.text();
    const answer = response.headers.get("content-type")?.includes("json") ? (JSON.parse(text) as Answer) : null;
    return { status: response.status, text, answer };
  };
  const look = async (batchId: string) => (await ask("GET", `/v1/batches/${batchId}`)).answer as Batch;
  const remove = (batchId: string) => ask("DELETE", `/v1/batches/${batchId}`);
  const begin = async (paths: string[], options: Record<string, unknown> = {}) => {
    const products = paths.map((path, index) => ({ id: `p${index}`, images: [`${origin.url}${path}`] }));
    const { status, answer } = await ask("POST", "/v1/batches", { products, ...options });
    assert.equal(status, 202, answer?.detail);
    return answer as Batch;
  };
  const process = async (...given: Parameters<typeof begin>) => {
    const { batchId } = await begin(...given);
    return eventually(`the end of ${batchId}`, async () => {
      const batch = await look(batchId);
      return batch.finishedAt === null ? null : batch;
    });
  };
  const foldersOf = (batchId: string) => FOLDERS.filter((name) => existsSync(join(dataDir, "uploads", name, batchId)));
  const isGone = (batchId: string) =>
    eventually(`nothing to be left of ${batchId}`, async () => {
      const rows = await rowsOfBatch(client, batchId);
      return rows.length === 0 && foldersOf(batchId).length === 0;
    });
  const outputOf = async ({ links }: Batch) => {
    const [output] = /http[^",\s]+\/outputs\/[^",\s]+\.jpg/.exec(await (await fetch(links.resultsCsv)).text()) ?? [];
    return output ?? assert.fail("no output");
  };

  test("is seen nowhere from the answer on, and leaves no row and no file", async () => {
    const receiver = await startReceiver();
    const batch = await process(["/photo/a.jpg", "/photo/a.jpg", "/missing.jpg"], { webhookUrl: receiver.url });
    const other = await process(["/photo/other.jpg"]);
    const { batchId, links } = batch;
    await eventually("the event", async () => receiver.deliveries[0]);
    const output = await outputOf(batch);
    assert.deepEqual(foldersOf(batchId), FOLDERS);
    const tables = new Set((await rowsOfBatch(client, batchId)).map(({ table }) => table));
    for (const table of ["batch", "product", "image", "output", "known_source", "event", "endpoint"]) assert.ok(tables.has(table), table);

    const { status, text } = await remove(batchId);
    assert.deepEqual([status, text], [204, ""]);
    const seed = `/getProcessingStatus/${batchId}`;
    for (const url of [links.self, links.products, links.resultsCsv, links.failuresCsv, links.archive, output, seed])
      assert.equal((await ask("GET", url)).status, 404, url);
    const listed = (await ask("GET", "/v1/batches")).text;
    assert.ok(!listed.includes(batchId) && listed.includes(other.batchId));
    for (const [method, path] of [
      ["DELETE", ""],
      ["POST", "/cancel"],
      ["POST", "/pause"],
    ] as const)
      assert.equal((await ask(method, `/v1/batches/${batchId}${path}`)).answer?.code, "batch_not_found", `${method} ${path}`);
    await isGone(batchId);

    assert.equal((await fetch(await outputOf(other))).status, 200);
    assert.deepEqual(foldersOf(other.batchId), FOLDERS);
  });

  test("leaves what others have reused of it, and is made anew where nobody has", async () => {
    const first = await process(["/photo/again.jpg", "/photo/once.jpg"]);
    const second = await process(["/photo/again.jpg"]);
    assert.equal(second.progress.reused, 1);
    await remove(first.batchId);
    await isGone(first.batchId);
    const output = await fetch(await outputOf(second));
    assert.deepEqual([output.status, output.headers.get("content-type")], [200, "image/jpeg"]);
    assert.ok((await output.bytes()).length > 500);

    const third = await process(["/photo/again.jpg", "/photo/once.jpg"]);
    assert.deepEqual([third.progress.completed, third.progress.reused], [2, 1]);
    await remove(second.batchId);
    await remove(third.batchId);
    await isGone(third.batchId);
    assert.equal((await process(["/photo/again.jpg"])).progress.reused, 0);
  });

  test("and asked for at that moment is there no more, in the words of its route", () => {
    const codeAt = (url: string) => knownProblem(new BatchRemovedError(), { url } as FastifyRequest, () => false)?.problem;
    assert.deepEqual([codeAt("/outputs/token/results.jsonl"), codeAt("/v1/batches/id/products")], ["output_not_found", "batch_not_found"]);
  });

  test("must have ended before, and exist", async () => {
    const running = await begin(["/kept.jpg"]);
    const { status, answer } = await remove(running.batchId);
    assert.deepEqual([status, answer?.code], [409, "batch_not_ended"]);
    assert.match(answer?.detail ?? "", /cancel/);
    assert.equal((await look(running.batchId)).finishedAt, null);
    await ask("POST", `/v1/batches/${running.batchId}/cancel`);
    await eventually("the cancelled batch to be removed", async () => (await remove(running.batchId)).status === 204);
    await isGone(running.batchId);
    for (const unknown of ["019abc12-3456-7def-8123-456789abcdef", "nonsense"])
      assert.deepEqual([(await remove(unknown)).status, (await remove(unknown)).answer?.code], [404, "batch_not_found"]);
  });
});
