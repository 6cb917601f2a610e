import type { BatchRow } from "../db/batches.ts";
import { markCancelled } from "../db/cancel-batch.ts";
import type { Tx } from "../db/connection/connect.ts";
import type { Queue } from "./queue.ts";

type CancelDeps = { queue: Pick<Queue, "dropWaitingImages" | "sendFinish"> };

/** Why a batch is paused between its cancelling and its end, for people. */
const CANCELLED_REASON = "The batch was cancelled: it ends as soon as what is in hand of it has ended.";

/**
 * Cancels a batch in the caller's transaction. Its waiting jobs leave the queue, and its images that are being fetched have the grace that
 * they have with a pause; a finish job ends the batch after that (worker/finish-batch.ts). Null where there is nothing to cancel (any more).
 */
export async function cancelBatch(tx: Tx, { queue }: CancelDeps, batchId: string): Promise<BatchRow | null> {
  const cancelled = await markCancelled(tx, batchId, CANCELLED_REASON);
  if (!cancelled) return null;
  await queue.dropWaitingImages(tx, batchId);
  await queue.sendFinish(tx, { batchId, run: cancelled.run });
  return cancelled;
}
