import { findWorstFailure, markPaused } from "../db/pause-batch.ts";
import type { BatchRow } from "../db/batches.ts";
import type { Tx } from "../db/connection/connect.ts";
import { describeOverBudget, type BudgetCounts } from "../domain/batch/failure-budget.ts";
import { announceEvent, type AnnounceDeps } from "./announce-event.ts";
import type { Queue } from "./queue.ts";

type PauseDeps = AnnounceDeps & { queue: Pick<Queue, "dropWaitingImages" | "sendDeliver"> };

/**
 * Pauses a batch in the caller's transaction. Its waiting jobs leave the queue, so that nobody claims them again and again and no
 * other batch's jobs wait behind them. Its images that are being fetched have a grace: those that come within it count, the others
 * are given back. Null where there is nothing to pause (any more).
 */
export async function pauseBatch(tx: Tx, deps: PauseDeps, batchId: string, reason: string): Promise<BatchRow | null> {
  const paused = await markPaused(tx, batchId, reason);
  if (!paused?.pausedAt) return null;
  await deps.queue.dropWaitingImages(tx, batchId);
  await announceEvent(tx, deps, paused, { type: "batch.paused", at: paused.pausedAt });
  return paused;
}

/** Pauses a batch of which too much has failed, and says of what. */
export async function pauseOverBudget(tx: Tx, deps: PauseDeps, batchId: string, spent: BudgetCounts & { percent: number }): Promise<void> {
  const worst = await findWorstFailure(tx, batchId);
  await pauseBatch(tx, deps, batchId, describeOverBudget(spent, spent.percent, worst));
}
