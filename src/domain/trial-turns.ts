/**
 * Whose turn it is to try a host that failed. Its failures may be one batch's alone, as where a proxy answers 500 to broken paths: were the
 * trials always that batch's, the good images of all others would be given up with its own.
 */
export type TrialTurns = {
  /** An image of the batch was asked for, and did not come. */
  onFailed(batchId: string): void;
  hasFailed(batchId: string): boolean;
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
  let count = 0;
  return {
    onFailed(batchId) {
      count += 1;
      failures.delete(batchId);
      failures.set(batchId, count);
      const [oldest] = failures.keys();
      if (failures.size > BATCHES_MAX && oldest !== undefined) failures.delete(oldest);
    },
    hasFailed: (batchId) => failures.has(batchId),
    rank: (batchId, wasTried) => 2 * (failures.get(batchId) ?? 0) + (wasTried ? 1 : 0),
  };
}
