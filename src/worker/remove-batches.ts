import type { RemoveJob } from "../contract/jobs.ts";
import type { Database, Transaction } from "../db/connection/connect.ts";
import { isLockRefused } from "../db/connection/lock-wait.ts";
import { listLostRemovals, tryReconcileLock } from "../db/reconcile.ts";
import { deleteImages, deleteProducts, deleteRest, findRemovedBatch, listExpiredBatches } from "../db/remove-batches.ts";
import type { Queue } from "../queue/queue.ts";
import { removeBatches } from "../queue/remove-batches.ts";
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
  for (const deletePage of [deleteImages, deleteProducts]) {
    for (let after: number | null = -1; after !== null;) {
      signal.throwIfAborted();
      const from: number = after;
      after = await db.transaction((tx) => deletePage(tx, batch, from));
    }
  }
  await db.transaction((tx) => deleteRest(tx, batch));
}

type BeginDeps = { transaction: Transaction; queue: Pick<Queue, "sendRemovals"> };

/** How many in a pass: a service whose history was kept for years gets through 60,000 an hour with each of its processes. */
const EXPIRED_MAX = 1_000;
const LOST_MAX = 5_000;

/**
 * Begins to remove batches that ended more than `keepDays` ago, or none where that is 0; and sends the jobs of removals that have none.
 * Returns how many of both. Of the first kind there may be more.
 */
export async function beginRemovals(deps: BeginDeps, keepDays: number): Promise<{ expired: number; lost: number }> {
  const { transaction, queue } = deps;
  const { expired, lost } = await transaction(async (tx) => {
    if (!(await tryReconcileLock(tx))) return { expired: [], lost: [] };
    const removals = await listLostRemovals(tx, LOST_MAX);
    await queue.sendRemovals(tx, removals);
    return { expired: keepDays === 0 ? [] : await listExpiredBatches(tx, { days: keepDays, limit: EXPIRED_MAX }), lost: removals };
  });
  return { expired: await removeExpired(deps, expired), lost: lost.length };
}

/** All at once; where somebody keeps rows that belong to one of them locked, one by one, without those that are. */
async function removeExpired({ transaction, queue }: BeginDeps, batchIds: readonly string[]): Promise<number> {
  if (batchIds.length === 0) return 0;
  const remove = (ids: readonly string[]) => transaction((tx) => removeBatches(tx, { queue }, ids, { skipLocked: true }));
  const unlessLocked = async (ids: readonly string[]) =>
    remove(ids).catch((error: unknown) => {
      if (!isLockRefused(error)) throw error;
      return null;
    });
  const together = await unlessLocked(batchIds);
  if (together) return together.length;
  let removed = 0;
  for (const batchId of batchIds) removed += (await unlessLocked([batchId]))?.length ?? 0;
  return removed;
}
