import { setTimeout as delay } from "node:timers/promises";
import type { Transaction } from "../db/connect.ts";
import { listLockedBatches, lockedError } from "../db/locked-batches.ts";
import type { Claim } from "../queue/image-jobs.ts";
import { HEARTBEAT_MS } from "../queue/supervisor.ts";
import type { ImageOutcome } from "./settle-together.ts";

type LockedDeps = {
  transaction: Transaction;
  portionMax: number;
  /** Returns those that were not written, since somebody else has locked what they change. Never rejects. */
  settle(items: readonly ImageOutcome[]): Promise<readonly ImageOutcome[]>;
  isStopped(): boolean;
  onError(error: unknown): void;
};

export type LockedOutcomes = {
  /** Keeps those that change a batch which is known to be locked, and returns the others. */
  keep(items: readonly ImageOutcome[]): readonly ImageOutcome[];
  /** Somebody has locked what these change. Finds out which batches that is about, keeps what is of those, and returns the others. */
  keepLocked(items: readonly ImageOutcome[]): Promise<readonly ImageOutcome[]>;
  /** Resolves at once where this claim's outcome is not kept, else when it is settled, or left to whoever gets the claim next. */
  ended(claim: Claim): Promise<void>;
  /** This batch is locked, and as many outcomes wait as should. */
  isFull(batchId: string): boolean;
};

/** Between two looks whether a batch is still locked. A look waits for nobody. */
const LOOK_MS = 500;
/**
 * After a settle that was refused though its batch was not locked: image rows are, say. It has held its jobs meanwhile, which heartbeats pass
 * over, and one has to find them free before the next.
 */
const REST_MS = HEARTBEAT_MS + 1_000;
/**
 * Of what is in hand 500 may wait to be recorded without taking room from others (claim-room.ts). Without a limit the images of a large batch
 * took all there is within five seconds, and no other's were claimed.
 */
const WAITING_MAX = 200;

/** The others end a job and write an image's row: the batch is none of theirs. */
const LOCKS_BATCH: Record<ImageOutcome["outcome"]["kind"], boolean> = {
  done: true,
  give_up: true,
  shelve: true,
  retry: false,
  release: false,
  drop: false,
};

/**
 * The outcomes of batches that somebody has locked: an operator's session that was left open, most likely. They wait here, each batch for
 * itself, while those of others are written. Nothing is locked while they wait, so that their claims have their heartbeats.
 */
export function createLockedOutcomes({ transaction, portionMax, settle, isStopped, onError }: LockedDeps): LockedOutcomes {
  const byBatch = new Map<string, ImageOutcome[]>();
  const ends = new Map<Claim, PromiseWithResolvers<void>>();

  const keepThose = (items: readonly ImageOutcome[], isMeant: (item: ImageOutcome) => boolean) =>
    items.filter((item) => {
      const waiting = byBatch.get(item.claim.data.batchId);
      if (!waiting || !isMeant(item)) return true;
      waiting.push(item);
      if (!ends.has(item.claim)) ends.set(item.claim, Promise.withResolvers());
      return false;
    });
  const end = (items: readonly ImageOutcome[]) => {
    for (const { claim } of items) {
      ends.get(claim)?.resolve();
      ends.delete(claim);
    }
  };
  const findLocked = (batchIds: readonly string[]) =>
    transaction((tx) => listLockedBatches(tx.executor, batchIds)).catch((error: unknown) => {
      onError(error);
      return batchIds;
    });
  const settleFree = async (batchId: string, waiting: ImageOutcome[]) => {
    let waitMs = LOOK_MS;
    while (waiting.length > 0 && !isStopped()) {
      await delay(waitMs);
      waitMs = LOOK_MS;
      if ((await findLocked([batchId])).length > 0) continue;
      const portion = waiting.splice(0, portionMax);
      const left = await settle(portion);
      waiting.unshift(...left);
      end(portion.filter(({ claim }) => !left.some((item) => item.claim === claim)));
      waitMs = left.length > 0 ? REST_MS : 0;
    }
    byBatch.delete(batchId);
    end(waiting);
  };

  return {
    keep: (items) => keepThose(items, ({ outcome }) => LOCKS_BATCH[outcome.kind]),
    async keepLocked(items) {
      if (items.length === 0) return [];
      const batchIds = [...new Set(items.map(({ claim }) => claim.data.batchId))];
      const found = await findLocked(batchIds);
      // Where none of them is locked itself, each goes its own way.
      const locked = found.length > 0 ? found : batchIds;
      onError(lockedError(locked));
      const isNew = locked.filter((batchId) => !byBatch.has(batchId));
      for (const batchId of isNew) byBatch.set(batchId, []);
      const rest = keepThose(items, ({ claim }) => locked.includes(claim.data.batchId));
      for (const batchId of isNew) void settleFree(batchId, byBatch.get(batchId) ?? []);
      return rest;
    },
    ended: async (claim) => ends.get(claim)?.promise,
    isFull: (batchId) => byBatch.has(batchId) && ends.size >= WAITING_MAX,
  };
}
