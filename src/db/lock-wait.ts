import type { Executor, Tx } from "./connect.ts";

/**
 * How long a settle or a page of a plan waits for a lock. Those of others take milliseconds, a pause or a resume of a large batch some
 * seconds; a session that somebody has left open never ends.
 */
const LOCK_WAIT_MS = 2_000;
const LOCK_NOT_AVAILABLE = "55P03";

/** From here on, until the transaction ends, a statement that does not get its lock in time is refused: see isLockRefused(). */
export async function limitLockWait(tx: Tx): Promise<void> {
  await tx.client.query({ name: "limit_lock_wait", text: `select set_config('lock_timeout', '${LOCK_WAIT_MS}', true)` });
}

export function isLockRefused(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === LOCK_NOT_AVAILABLE;
}

/** What such a refusal means to who has to do something about it. */
export function lockedError(batchIds: readonly string[]): Error {
  const message = `another session keeps rows of ${batchIds.length} batches locked, the first ${batchIds[0]}: its images are recorded once it ends`;
  return Object.assign(new Error(message), { code: LOCK_NOT_AVAILABLE });
}

/** Those of the batches whose rows somebody has locked at this moment. Waits for nobody. */
export async function listLockedBatches(db: Executor, batchIds: readonly string[]): Promise<string[]> {
  const { rows } = await db.executeSql(
    `with free as materialized (select batch_id from batch where batch_id = any($1::uuid[]) for no key update skip locked)
     select batch_id::text as id from batch where batch_id = any($1::uuid[]) and batch_id not in (select batch_id from free)`,
    [batchIds],
  );
  return rows.map((row) => String(row["id"]));
}
