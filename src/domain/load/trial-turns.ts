import { putLast } from "../forget-oldest.ts";
import { FAILURES_MAX, LAST_TRIAL_MS } from "./host-pause.ts";

/**
 * Whose turn it is to try a host that failed. Its failures may be one batch's alone, as where a proxy answers 500 to broken paths: were the
 * trials always that batch's, the good images of all others would be given up with its own.
 */
export type TrialTurns = {
  /** An image of the batch was asked for, and did not come. Ends its trial. */
  onFailed(batchId: string): void;
  hasFailed(batchId: string): boolean;
  /**
   * Whether an image of the batch may try a host that is given up in its pause, which it does from now on: one of each batch, and of FAILURES_MAX
   * batches at once, as many as the host got before its first pause. One batch after the other would wait for each other's 40 s at a mute host,
   * an hour where they are a hundred.
   */
  beginsLastTrial(batchId: string, now: number): boolean;
  /**
   * The least goes first: a batch none of whose images has failed here, then the one whose last failure was longest ago, and of each batch an
   * image that is yet to be tried before one that failed.
   */
  rank(batchId: string, wasTried: boolean): number;
};

/** Batches whose failures are known; beyond, the one whose last was longest ago is forgotten, which costs the host one request more. */
const BATCHES_MAX = 1_000;

export function createTrialTurns(): TrialTurns {
  const failures = new Map<string, number>();
  const trialsUntil = new Map<string, number>();
  let count = 0;
  return {
    onFailed(batchId) {
      count += 1;
      trialsUntil.delete(batchId);
      putLast(failures, batchId, count, BATCHES_MAX);
    },
    hasFailed: (batchId) => failures.has(batchId),
    beginsLastTrial(batchId, now) {
      for (const [trying, until] of trialsUntil) if (until <= now) trialsUntil.delete(trying);
      if (trialsUntil.has(batchId) || trialsUntil.size >= FAILURES_MAX) return false;
      trialsUntil.set(batchId, now + LAST_TRIAL_MS);
      return true;
    },
    rank: (batchId, wasTried) => 2 * (failures.get(batchId) ?? 0) + (wasTried ? 1 : 0),
  };
}
