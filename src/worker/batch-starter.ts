import type { ClaimedFirst } from "../db/batches.ts";
import type { Transaction, Tx } from "../db/connect.ts";
import { createAlarm } from "./alarm.ts";

export type StartDeps = {
  /** Finds rows by their keys. */
  transaction: Transaction;
  /** Returns those that could not be started yet. */
  startBatches(tx: Tx, firsts: readonly ClaimedFirst[]): Promise<string[]>;
  onError(error: unknown): void;
};

export type BatchStarter = {
  /** Images of these batches were claimed just now. */
  start(batchIds: readonly string[]): void;
  stop(): Promise<void>;
};

/** Between two tries while a batch is locked, or the database is away. */
const RETRY_MS = 500;

/**
 * Starts batches beside the claims of their images and not within them: a claim that waited for one batch, which an operator's session has
 * locked, would keep the images of all others. Nothing else waits for the start: a batch that is pending is worked, paused, cancelled and
 * ended like one that runs.
 */
export function createBatchStarter({ transaction, startBatches, onError }: StartDeps): BatchStarter {
  /** When a first image of each was claimed. */
  const claimedAt = new Map<string, number>();
  const alarm = createAlarm();
  let starting = Promise.resolve();
  let isStarting = false;
  let isStopping = false;

  const startOnce = async () => {
    const firsts = [...claimedAt].map(([batchId, at]) => ({ batchId, agoMs: performance.now() - at }));
    const left = new Set(await transaction((tx) => startBatches(tx, firsts)));
    for (const { batchId } of firsts) if (!left.has(batchId)) claimedAt.delete(batchId);
  };
  const startAll = async () => {
    isStarting = true;
    while (claimedAt.size > 0 && !isStopping) {
      await startOnce().catch(onError);
      if (claimedAt.size > 0 && !isStopping) await alarm.sleep(RETRY_MS);
    }
    isStarting = false;
  };

  return {
    start(batchIds) {
      const first = batchIds.filter((batchId) => !claimedAt.has(batchId));
      if (first.length === 0) return;
      for (const batchId of first) claimedAt.set(batchId, performance.now());
      if (isStarting) alarm.ring();
      else starting = startAll();
    },
    async stop() {
      isStopping = true;
      alarm.ring();
      await starting;
    },
  };
}
