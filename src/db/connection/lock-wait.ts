import { errorCode } from "../../domain/error-code.ts";
import type { Transaction, Tx } from "./connect.ts";

/** Those of others take milliseconds, a pause or a resume of a large batch some seconds; a session that somebody has left open never ends. */
const LOCK_WAIT_MS = 2_000;
const LOCK_NOT_AVAILABLE = "55P03";

/** From here on, until the transaction ends, a statement that does not get its lock in time is refused: see isLockRefused(). */
export async function limitLockWait(tx: Tx, waitMs = LOCK_WAIT_MS): Promise<void> {
  await tx.client.query({ name: "limit_lock_wait", text: "select set_config('lock_timeout', $1, true)", values: [String(waitMs)] });
}

/** Such transactions, of what would else take connections and turns from others for as long as somebody keeps a batch locked. */
export function impatient(transaction: Transaction): Transaction {
  return (work) =>
    transaction(async (tx) => {
      await limitLockWait(tx);
      return work(tx);
    });
}

export function isLockRefused(error: unknown): boolean {
  return errorCode(error) === LOCK_NOT_AVAILABLE;
}

/** What such a refusal means to who has to do something about it. */
export function lockedError(batchId: string): Error {
  const message = `somebody's session keeps rows of the batch ${batchId} locked: its images are recorded once that ends`;
  return Object.assign(new Error(message), { code: LOCK_NOT_AVAILABLE });
}
