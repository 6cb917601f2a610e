import { setTimeout as delay } from "node:timers/promises";
import { lockedError } from "../../db/connection/lock-wait.ts";
import type { Claim } from "../../queue/image-jobs.ts";
import type { ImageOutcome } from "./settle-together.ts";

type LockedDeps = {
  portionMax: number;
  /** Returns those that were not written, since somebody else has locked what they change. Never rejects. */
  settle(items: readonly ImageOutcome[], lockWaitMs: number): Promise<readonly ImageOutcome[]>;
  isStopped(): boolean;
  onError(error: unknown): void;
};

type LockedOutcomes = {
  /** Keeps those of groups that wait already, and returns the others. */
  keepKnown(items: readonly ImageOutcome[]): readonly ImageOutcome[];
  /** Keeps all of these: somebody has locked what some of them change. */
  keep(items: readonly ImageOutcome[]): void;
  /** Resolves at once where this claim's outcome is not kept, else when it is settled, or left to whoever gets the claim next. */
  ended(claim: Claim): Promise<void>;
  /** How many are kept. */
  size(): number;
  /** This batch is locked, and as many outcomes wait as should. */
  isFull(batchId: string): boolean;
};

type Group = { waiting: ImageOutcome[]; batchId: string; isLocked: boolean };

/**
 * Between two rounds, and how long each group waits for its locks in one. It holds its jobs meanwhile, which heartbeats pass over: so it
 * rests for longer than it waits.
 */
const REST_MS = 1_000;
const LOCK_WAIT_MS = 250;
/** Without a limit the images of a large batch that is locked would all be worked, and none recorded. */
const WAITING_MAX = 200;

/**
 * What could not be settled since somebody has locked a batch or its images: an operator's session that was left open, most likely. Each
 * batch goes on by itself, one after the other and on one connection, so that only those wait whose rows are locked.
 */
export function createLockedOutcomes({ portionMax, settle, isStopped, onError }: LockedDeps): LockedOutcomes {
  const groups = new Map<string, Group>();
  const ends = new Map<Claim, PromiseWithResolvers<void>>();
  let isSettling = false;

  const keep = (items: readonly ImageOutcome[]) => {
    for (const item of items) {
      const { batchId } = item.claim.data;
      const group = groups.get(groupOf(item)) ?? { waiting: [], batchId, isLocked: false };
      groups.set(groupOf(item), group);
      group.waiting.push(item);
      if (!ends.has(item.claim)) ends.set(item.claim, Promise.withResolvers());
    }
    if (groups.size > 0 && !isSettling) void settleGroups();
  };
  const end = (items: readonly ImageOutcome[]) => {
    for (const { claim } of items) {
      ends.get(claim)?.resolve();
      ends.delete(claim);
    }
  };
  const settleGroup = async (group: Group) => {
    do {
      const portion = group.waiting.splice(0, portionMax);
      const left = isStopped() ? [] : await settle(portion, LOCK_WAIT_MS);
      group.waiting.unshift(...left);
      end(portion.filter(({ claim }) => !left.some((item) => item.claim === claim)));
      group.isLocked = left.length > 0;
    } while (group.waiting.length > 0 && !group.isLocked);
    if (group.isLocked) onError(lockedError(group.batchId));
  };
  const settleGroups = async () => {
    isSettling = true;
    while (groups.size > 0) {
      await delay(REST_MS);
      for (const [key, group] of groups) {
        await settleGroup(group);
        if (!group.isLocked) groups.delete(key);
      }
    }
    isSettling = false;
  };

  return {
    keepKnown(items) {
      keep(items.filter((item) => groups.has(groupOf(item))));
      return items.filter((item) => !groups.has(groupOf(item)));
    },
    keep,
    ended: async (claim) => ends.get(claim)?.promise,
    size: () => ends.size,
    isFull: (batchId) => ends.size >= WAITING_MAX && groups.get(batchId)?.isLocked === true,
  };
}

/** What goes back untried, or is nobody's any more, needs the rows neither of its batch nor of its image, and waits for none of them. */
function groupOf({ claim, outcome }: ImageOutcome): string {
  const { batchId } = claim.data;
  return outcome.kind === "release" || outcome.kind === "drop" ? `${batchId}, untried` : batchId;
}
