import { findBatch, type BatchRow } from "./batches.ts";
import type { Tx } from "./connection/connect.ts";
import { limitLockWait } from "./connection/lock-wait.ts";

/** "load" in ASCII. Batches whose hashes collide wait for each other, and no more. */
const LOAD_LOCK_CLASS = 0x6c6f6164;
/** How long a load in doubt is waited for, whose client waits as well: a commit that hangs mostly hangs for longer, if not for a moment. */
const LOAD_WAIT_MS = 5_000;

const LOCK = "select pg_advisory_xact_lock($1, hashtext($2))";

/** Locks the batch that is being loaded until the transaction is over: its end can then be waited for, whoever has lost its connection. */
export async function lockLoad(tx: Tx, batchId: string): Promise<void> {
  await tx.executor.executeSql(LOCK, [LOAD_LOCK_CLASS, batchId]);
}

/**
 * The batch of a load that nobody hears of any more; null where it is rolled back for good. A commit that the server has and has not ended
 * (its disk or a synchronous standby holds it up, or a pooler hands it on late) shows its rows to nobody yet, and is still to come: it
 * gives its locks back after it has shown them. Rejects where it is not over in time (55P03).
 */
export async function findLoadedBatch(tx: Tx, tenantId: string, batchId: string, waitMs = LOAD_WAIT_MS): Promise<BatchRow | null> {
  await limitLockWait(tx, waitMs);
  await lockLoad(tx, batchId);
  // In a statement of its own, which sees all that was committed before we got the lock.
  return findBatch(tx.executor, tenantId, batchId);
}
