import type { RemoveJob } from "../contract/jobs.ts";
import type { Database, Transaction } from "../db/connection/connect.ts";
import { tryReconcileLock } from "../db/reconcile.ts";
import { deletePage, findRemovedBatch, listLostRemovals } from "../db/remove-batches.ts";
import type { Queue } from "../queue/queue.ts";
import { removeExpired } from "../queue/remove-batches.ts";
import type { Storage } from "../storage/storage.ts";

export type RemoveDeps = {
  db: Pick<Database, "executor" | "transaction">;
  storage: Pick<Storage, "removeBatch">;
};

/**
 * Removes what a batch consists of that nobody sees any more. Its files go first, so that there is room for what the database writes where
 * a full disk is why it was removed; its row in `removed_batch` goes last. May run twice, and goes on where it was broken off.
 */
export async function removeBatch({ db, storage }: RemoveDeps, { batchId }: RemoveJob, signal: AbortSignal): Promise<void> {
  const batch = await findRemovedBatch(db.executor, batchId);
  if (!batch) return;
  await storage.removeBatch(batchId, signal);
  while (await db.transaction((tx) => deletePage(tx, batch))) signal.throwIfAborted();
}

type BeginDeps = { transaction: Transaction; queue: Pick<Queue, "sendRemovals"> };

/** In a pass. */
const LOST_MAX = 5_000;

/**
 * Begins to remove batches that ended more than `keepDays` ago, or none where that is 0; and sends the jobs of removals that have none.
 * Returns how many of both.
 */
export async function beginRemovals({ transaction, queue }: BeginDeps, keepDays: number): Promise<{ expired: number; lost: number }> {
  return transaction(async (tx) => {
    if (!(await tryReconcileLock(tx))) return { expired: 0, lost: 0 };
    const lost = await listLostRemovals(tx, LOST_MAX);
    await queue.sendRemovals(tx, lost);
    return { expired: keepDays === 0 ? 0 : await removeExpired(tx, { queue }, keepDays), lost: lost.length };
  });
}
