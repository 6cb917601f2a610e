import type { FinishJob } from "../../contract/jobs.ts";
import { hasSkipped, skipPage } from "../../db/cancel-batch.ts";
import type { Database } from "../../db/connection/connect.ts";
import { impatient } from "../../db/connection/lock-wait.ts";
import { listUnknownOutputs } from "../../db/outputs.ts";
import type { Queue } from "../../queue/queue.ts";
import type { Storage } from "../../storage/storage.ts";

export type CancelledDeps = {
  db: Pick<Database, "executor" | "transaction">;
  queue: Pick<Queue, "clearBatch" | "sendFinish">;
  storage: Pick<Storage, "listOutputNames" | "removeOutput">;
};

/** Where something of it is in hand, we look again after so long, though the settle of the last image mostly tells before. */
const LOOK_AGAIN_MS = 1_000;

/** Settles what is left of a cancelled batch, once nothing of it is in hand. False where something is: another job will look again. */
export async function settleCancelled(deps: CancelledDeps, job: FinishJob, signal: AbortSignal): Promise<boolean> {
  const { db, queue } = deps;
  const { isInHand } = await db.transaction(async (tx) => {
    const cleared = await queue.clearBatch(tx, job.batchId);
    if (cleared.isInHand) await queue.sendFinish(tx, job, LOOK_AGAIN_MS);
    return cleared;
  });
  if (isInHand) return false;
  while (await impatient(db.transaction)((tx) => skipPage(tx, job.batchId))) signal.throwIfAborted();
  await removeUnnamed(deps, job.batchId, signal);
  return true;
}

/**
 * Removes what attempts left at the places of skipped images: those whose worker was killed, or that were called off between two outputs.
 * Elsewhere the next attempt replaces it, or the image's failure removes it.
 */
async function removeUnnamed({ db, storage }: CancelledDeps, batchId: string, signal: AbortSignal): Promise<void> {
  for await (const { ordinals, fileNames } of storage.listOutputNames(batchId)) {
    signal.throwIfAborted();
    if (!(await hasSkipped(db.executor, batchId, ordinals))) continue;
    const unnamed = await listUnknownOutputs(db.executor, batchId, fileNames);
    await Promise.all(unnamed.map((fileName) => storage.removeOutput({ batchId, ordinal: ordinals.from, fileName })));
  }
}
