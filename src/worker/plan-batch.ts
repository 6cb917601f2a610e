import type { Transaction } from "../db/connection/connect.ts";
import { impatient } from "../db/connection/lock-wait.ts";
import { PAGE_IMAGES, planPage, QUEUED_MAX } from "../queue/plan-page.ts";
import type { Sender } from "../queue/queue.ts";

type PlanDeps = {
  transaction: Transaction;
  queue: Sender;
};

/** As many as fill an empty queue. A million images of a paused host fill nothing: others plan in between. */
const PAGES_MAX = QUEUED_MAX / PAGE_IMAGES;

/**
 * Fills the batch's share of the queue, a page and a transaction at a time; may run twice. Rejects where somebody else has the batch locked
 * for long: its job comes back later, and other batches are planned meanwhile.
 */
export async function planBatch({ transaction, queue }: PlanDeps, batchId: string, signal: AbortSignal): Promise<void> {
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    signal.throwIfAborted();
    const { more } = await impatient(transaction)((tx) => planPage(tx, queue, batchId));
    if (!more) return;
  }
  await transaction((tx) => queue.sendPlan(tx, { batchId }));
}
