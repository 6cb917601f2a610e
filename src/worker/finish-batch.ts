import { randomUUIDv7 } from "node:crypto";
import { open } from "node:fs/promises";
import type { CatalogueFacts } from "../csv/read-catalogue.ts";
import { createResultWriter } from "../csv/write-result.ts";
import { DEFAULT_TENANT_ID, type Database, type Tx } from "../db/connect.ts";
import { findBatch, type BatchRow } from "../db/batches.ts";
import { endBatch, recordEvent } from "../db/finish-batch.ts";
import { listProducts, type ProductPage, type ProductResult } from "../db/list-products.ts";
import { outputUrl, RESULT_FILE_NAME, statusUrl, type BatchEventBody } from "../domain/batch-event.ts";
import { settledStatus, type EventType } from "../domain/batch-state.ts";
import type { Queue } from "../queue/queue.ts";

export type FinishDeps = {
  db: Pick<Database, "executor" | "transaction">;
  queue: Pick<Queue, "sendDeliver">;
  storage: {
    tempPath(extension?: string): string;
    keepResult(tempPath: string, batchId: string, fileName: string): Promise<unknown>;
    discard(tempPath: string): Promise<void>;
  };
  publicUrl: () => string;
};

/** So many products are in memory at once while the result CSV is written. */
const PAGE_PRODUCTS = 500;

/**
 * Writes the result CSV, then ends the batch, records its event and queues the deliveries in one transaction.
 * May run twice: the file is replaced by the same file, and only the first ends the batch.
 */
export async function finishBatch(deps: FinishDeps, job: { batchId: string; run: number }, signal: AbortSignal): Promise<void> {
  const row = await findBatch(deps.db.executor, DEFAULT_TENANT_ID, job.batchId);
  if (!row || row.finishedAt !== null || row.run !== job.run) return;
  await writeResult(deps, row, signal);
  await deps.db.transaction((tx) => endAndAnnounce(deps, tx, row));
}

async function writeResult(deps: FinishDeps, row: BatchRow, signal: AbortSignal): Promise<void> {
  const temp = deps.storage.tempPath("csv");
  try {
    const file = await open(temp, "w");
    try {
      const writer = createResultWriter(row.csvFacts as CatalogueFacts);
      // appendFile and not write, which can write a part and call it done.
      await file.appendFile(writer.header());
      for (let afterLine: number | null = 0; afterLine !== null; ) {
        signal.throwIfAborted();
        const page: ProductPage = await listProducts(deps.db.executor, row.batchId, { afterLine, limit: PAGE_PRODUCTS });
        await file.appendFile(page.products.map((product) => writer.row(product.cells, resultCells(deps, row, product))).join(""));
        afterLine = page.nextLine;
      }
      await file.datasync();
    } finally {
      await file.close();
    }
    await deps.storage.keepResult(temp, row.batchId, RESULT_FILE_NAME);
  } finally {
    await deps.storage.discard(temp);
  }
}

function resultCells(deps: FinishDeps, row: BatchRow, product: ProductResult): { outputs: (string | null)[]; status: string; errors: string[] } {
  const outputs = product.images.map((image) => (image && "fileName" in image ? outputUrl(deps.publicUrl(), row.token, image.fileName) : null));
  const errors = product.images.flatMap((image, index) => (image && "code" in image ? [`${index + 1}: ${image.code}: ${image.message}`] : []));
  return { outputs, status: productStatus(outputs), errors };
}

/** The words of the batch's own outcome, so that a filter on the column needs no second vocabulary. */
function productStatus(outputs: readonly (string | null)[]): string {
  const missing = outputs.filter((output) => output === null).length;
  if (missing === 0) return "completed";
  return missing === outputs.length ? "failed" : "partial";
}

async function endAndAnnounce(deps: FinishDeps, tx: Tx, row: BatchRow): Promise<void> {
  const counts = { total: row.imagesTotal, completed: row.imagesDone, failed: row.imagesFailed, skipped: row.imagesSkipped };
  const { status, outcome } = settledStatus(counts);
  const ended = await endBatch(tx, row.batchId, { run: row.run, status, outcome });
  if (!ended) return;

  const eventId = randomUUIDv7();
  const type: EventType = status === "completed" ? "batch.completed" : "batch.failed";
  const body: BatchEventBody = {
    type,
    timestamp: (ended.finishedAt ?? ended.createdAt).toISOString(),
    data: {
      requestId: row.batchId,
      status,
      outcome,
      run: row.run,
      progress: counts,
      bytes: { input: ended.inputBytes, output: ended.outputBytes },
      outputCsvUrl: outputUrl(deps.publicUrl(), row.token, RESULT_FILE_NAME),
      statusUrl: statusUrl(deps.publicUrl(), row.batchId),
    },
  };
  const endpointIds = await recordEvent(tx, { eventId, batchId: row.batchId, run: row.run, type, sequence: ended.sequence, body: JSON.stringify(body) });
  for (const endpointId of endpointIds) await deps.queue.sendDeliver(tx, { eventId, endpointId });
}
