import { hideBatches } from "../db/remove-batches.ts";
import type { Tx } from "../db/connection/connect.ts";
import type { Queue } from "./queue.ts";

type RemoveDeps = { queue: Pick<Queue, "sendRemovals"> };

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
