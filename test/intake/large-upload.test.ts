import assert from "node:assert/strict";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { writeCatalogue } from "../../bench/catalogue-file.ts";
import { startMeasured, type MeasuredService } from "../../bench/measured-service.ts";
import { settleBySql } from "../../bench/settle-by-sql.ts";
import { poll } from "../../bench/status-poll.ts";
import { uploadFile } from "../../bench/upload-file.ts";
import type { BatchStatusView } from "../../src/contract/status.ts";
import type { Accepted } from "../../src/contract/upload.ts";
import { connectDatabase } from "../../src/db/connection/connect.ts";
import { openSender } from "../../src/queue/queue.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startOrigin, type Origin } from "../support/origin.ts";

/**
 * A part of what bench/ measures, with bounds that a machine busy with other tests keeps to as well: what is parsed where
 * answers are made, or held in memory whole, does not.
 */
const ROWS = 60_000;
/** Alone it is some 15; 300 where the whole file is parsed at once where answers are made. */
const STANDSTILL_MS_MAX = 200;
const ANSWER_MS_MAX = 2_000;
/** Some 60 MiB are the thread that reads the file, or what the heap takes for streaming, whatever the size; kept rows made it 130. */
const GROWTH_BYTES_MAX = 112 * 1024 * 1024;

describe("a catalogue of 60,000 rows", { skip: process.platform !== "linux" && "memory is read from /proc" }, () => {
  let service: MeasuredService;
  let databaseUrl = "";
  let path = "";
  let origin: Origin;
  let batchId = "";

  before(async () => {
    databaseUrl = await createTestDatabase();
    const folder = await createTestFolder();
    // Never answers: what is started stays started, and nothing else moves.
    origin = await startOrigin(() => {});
    service = await startMeasured(folder, { DATABASE_URL: databaseUrl });
    onCleanup(() => service.stop("SIGKILL"));
    path = join(folder, "catalogue.csv");
    await writeCatalogue(path, { rows: ROWS, origin: origin.url });
  });

  test("is taken while others are answered, in little memory, and starts at once", async () => {
    const small = await upload("S. No,Product Name,Input Image Urls\n1,Mug,http://127.0.0.1:9/a.jpg\n");
    const statusUrl = `${service.url}/getProcessingStatus/${small.requestId}`;
    await poll(statusUrl, delay(500));

    await service.loopDelay();
    const memory = watchMemory();
    const uploading = uploadFile(service.url, path).then((accepted) => ({
      accepted,
      acceptedAt: Date.now(),
      growthBytes: memory.growthBytes(),
    }));
    const answers = await poll(statusUrl, uploading);
    const { accepted, acceptedAt, growthBytes } = await uploading;
    const { maxMs } = await service.loopDelay();
    batchId = accepted.requestId;

    assert.deepEqual([accepted.products, accepted.images], [ROWS, 2 * ROWS]);
    assert.ok(answers.count > 20, `only ${answers.count} answers were given meanwhile`);
    assert.ok(answers.maxMs < ANSWER_MS_MAX, `an answer took ${answers.maxMs.toFixed(0)} ms`);
    assert.ok(maxMs < STANDSTILL_MS_MAX, `the event loop stood still for ${maxMs.toFixed(0)} ms`);
    assert.ok(growthBytes < GROWTH_BYTES_MAX, `memory grew by ${mebibytes(growthBytes)}`);
    const startedAt = await eventually("the first image", async () => (await status(batchId)).startedAt, 5_000);
    assert.ok(
      Date.parse(startedAt) - acceptedAt < 1_000,
      `the first image was claimed at ${startedAt}, accepted at ${new Date(acceptedAt).toISOString()}`,
    );
    await eventually("the origin to be asked", async () => origin.hits.size > 0, 1_000);
  });

  test("gives its results back as a stream, in little memory", async () => {
    const db = connectDatabase({ url: databaseUrl, poolMax: 2, onError: () => {} });
    onCleanup(() => db.close());
    await settleBySql(db, batchId);
    await db.transaction((tx) => openSender(db.executor).sendFinish(tx, { batchId, run: 1 }));
    const { outputCsvUrl, progress } = await eventually("the batch's end", async () => {
      const found = await status(batchId);
      return found.finishedAt !== null && found;
    });
    assert.deepEqual([progress.completed, progress.failed], [ROWS, ROWS]);

    const memory = watchMemory();
    for (const file of ["results.csv", "results.csv?shape=import", "failures.csv", "results.jsonl"]) {
      const header = file.endsWith(".jsonl") ? 0 : 1;
      // A failed row's message is one line.
      assert.equal(await countLines(new URL(file, outputCsvUrl)), ROWS + header, file);
    }
    assert.ok(memory.growthBytes() < GROWTH_BYTES_MAX, `memory grew by ${mebibytes(memory.growthBytes())}`);
  });

  async function upload(csv: string): Promise<Accepted> {
    const response = await fetch(`${service.url}/uploadAndProcessDocument`, {
      method: "POST",
      headers: { "content-type": "text/csv" },
      body: csv,
    });
    assert.equal(response.status, 202);
    return (await response.json()) as Accepted;
  }

  async function status(requestId: string): Promise<BatchStatusView> {
    return (await (await fetch(`${service.url}/getProcessingStatus/${requestId}?limit=1`)).json()) as BatchStatusView;
  }

  /** How far the service grows from now on, at its peak. */
  function watchMemory(): { growthBytes(): number } {
    const before = service.rssBytes();
    service.resetPeak();
    return { growthBytes: () => service.peakBytes() - before };
  }
});

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

async function countLines(url: URL): Promise<number> {
  const response = await fetch(url);
  assert.equal(response.status, 200, url.pathname);
  let lines = 0;
  for await (const line of createInterface({ input: Readable.fromWeb(response.body as ReadableStream) })) if (line !== "") lines += 1;
  return lines;
}
