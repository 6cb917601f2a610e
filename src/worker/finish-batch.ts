import { open } from "node:fs/promises";
import type { FinishJob } from "../contract/jobs.ts";
import { writeResultFile } from "../csv/write-result-file.ts";
import type { Database, Tx } from "../db/connection/connect.ts";
import { findBatch, type BatchRow } from "../db/batches.ts";
import { endBatch } from "../db/finish-batch.ts";
import { impatient } from "../db/connection/lock-wait.ts";
import { sweepShares } from "../db/host-share.ts";
import { recordPages } from "../db/list-products.ts";
import { outputUrl } from "../domain/batch/batch-urls.ts";
import { countsOf, settledOf, settledStatus } from "../domain/batch/batch-state.ts";
import { DEFAULT_TENANT_ID } from "../domain/ids.ts";
import { outputNames } from "../domain/image/recipe.ts";
import { announceEvent } from "../queue/announce-event.ts";
import { pauseStandingStill } from "../queue/hold-share.ts";
import type { Queue } from "../queue/queue.ts";
import { settleCancelled, type CancelledDeps } from "./settle/settle-cancelled.ts";

export type FinishDeps = {
  db: Pick<Database, "executor" | "transaction">;
  queue: Pick<Queue, "sendDeliver"> & CancelledDeps["queue"];
  storage: CancelledDeps["storage"] & {
    tempPath(extension: string): string;
    keepResult(tempPath: string, batchId: string): Promise<void>;
    discard(tempPath: string): Promise<void>;
  };
  publicUrl: () => string;
};

/**
 * Writes the result CSV, then ends the batch, records its event and queues the deliveries in one transaction.
 * May run twice: the file is replaced by the same file, and only the first ends the batch. Where only images of paused
 * hosts are left of it, it is paused instead. What is left of a cancelled batch is settled before, once nothing of it is in hand.
 * Rejects where somebody else has the batch locked for long: its job comes back later, and other batches end meanwhile.
 */
export async function finishBatch(deps: FinishDeps, job: FinishJob, signal: AbortSignal): Promise<void> {
  const transaction = impatient(deps.db.transaction);
  const find = () => findBatch(deps.db.executor, DEFAULT_TENANT_ID, job.batchId);
  let batch = await find();
  if (!batch || batch.finishedAt !== null || batch.run !== job.run) return;
  if (batch.cancelledAt !== null) {
    if (!(await settleCancelled(deps, job, signal))) return;
    batch = (await find()) ?? batch;
  }
  if (!batch.isPlanned || settledOf(countsOf(batch)) < batch.imagesTotal) return transaction((tx) => pauseStandingStill(tx, deps, batch));
  await writeResult(deps, batch, signal);
  if (batch.budgetRound > 0) await sweepShares(deps.db.executor, batch.batchId);
  await transaction((tx) => endAndAnnounce(deps, tx, batch));
}

async function writeResult(deps: FinishDeps, batch: BatchRow, signal: AbortSignal): Promise<void> {
  const temp = deps.storage.tempPath("csv");
  try {
    const file = await open(temp, "w");
    try {
      const urlOf = (fileName: string) => outputUrl(deps.publicUrl(), batch.token, fileName);
      const products = recordPages(deps.db.executor, batch.batchId);
      for await (const piece of writeResultFile({
        facts: batch.csvFacts,
        shape: "append",
        names: outputNames(batch.recipe),
        products,
        outputUrl: urlOf,
      })) {
        signal.throwIfAborted();
        // Not write, which can write a part and call it done.
        await file.appendFile(piece);
      }
      await file.datasync();
    } finally {
      await file.close();
    }
    await deps.storage.keepResult(temp, batch.batchId);
  } finally {
    await deps.storage.discard(temp);
  }
}

async function endAndAnnounce(deps: FinishDeps, tx: Tx, batch: BatchRow): Promise<void> {
  const { status, outcome } = settledStatus(countsOf(batch));
  const ended = await endBatch(tx, batch.batchId, { run: batch.run, status, outcome });
  if (!ended) return;
  await announceEvent(tx, deps, ended, { type: `batch.${status}`, at: ended.finishedAt ?? ended.createdAt });
}
