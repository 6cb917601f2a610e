import { hideBatches, listExpiredBatches } from "../db/remove-batches.ts";
import type { Tx } from "../db/connection/connect.ts";
import type { Queue } from "./queue.ts";

type RemoveDeps = { queue: Pick<Queue, "sendRemovals"> };

/** How many at once: a service whose history was kept for years gets through 60,000 an hour. */
const EXPIRED_MAX = 1_000;

/**
 * Removes batches that have ended, in the caller's transaction: nobody sees them from its commit on, and jobs remove what they consist of
 * (worker/remove-batches.ts). Returns the ids of those that were removed.
 */
export async function removeBatches(
  tx: Tx,
  { queue }: RemoveDeps,
  batchIds: readonly string[],
  options: { skipLocked?: boolean } = {},
): Promise<string[]> {
  const hidden = await hideBatches(tx, batchIds, options);
  await queue.sendRemovals(
    tx,
    hidden.map((batchId) => ({ batchId })),
  );
  return hidden;
}

/** Those that ended more than so many days ago, and that nobody has locked. Returns how many; there may be more. */
export async function removeExpired(tx: Tx, deps: RemoveDeps, days: number): Promise<number> {
  const expired = await listExpiredBatches(tx, { days, limit: EXPIRED_MAX });
  return (await removeBatches(tx, deps, expired, { skipLocked: true })).length;
}
