import { setTimeout as delay } from "node:timers/promises";
import { isDatabaseAway, isValueRefused, type Transaction } from "../../db/connection/connect.ts";
import { isLockRefused } from "../../db/connection/lock-wait.ts";
import type { OutputPlace } from "../../storage/storage.ts";
import { createCollector } from "./collector.ts";
import { createLockedOutcomes } from "./locked-outcomes.ts";
import { NO_STAGE_MS } from "../image/stages.ts";
import { settleTogether, wasWorked, type ImageOutcome, type SettleDeps, type Worked } from "./settle-together.ts";

type SettlerDeps = SettleDeps & {
  transaction: Transaction;
  /** Puts on the disk what the rows will name; the outcome of an image whose files it would not take is another. */
  flushOutcomes(items: readonly ImageOutcome[]): Promise<readonly ImageOutcome[]>;
  /** What it cannot remove stays. */
  removeOutputs(places: readonly OutputPlace[]): Promise<unknown>;
  onError(error: unknown): void;
};

export type Settler = {
  settle(outcome: ImageOutcome): Promise<void>;
  /** Of a batch that somebody has locked no more outcomes should come now: so many wait already. */
  isHeldUp(batchId: string): boolean;
  /** How many outcomes wait since somebody has locked what they change. */
  heldUp(): number;
  /** Writes what waits, or what of it is of small batches, without waiting for more. */
  flush(which: "all" | "small"): void;
  /** What cannot be written now is left to whoever gets its claim next. */
  stop(): void;
};

/** One image per transaction costs 1.0 ms of CPU, fifty per transaction 0.03 ms each; a hundred also have their outputs flushed together. */
const TOGETHER_MAX = 100;
/** How long an outcome waits for company. The first after a rest waits less, as do those of small batches, which somebody looks at. */
const COLLECT_MS = 250;
const COLLECT_SOON_MS = 20;
const RETRY_MS = 500;

/**
 * Collects outcomes and writes them together. `settle` resolves when the outcome is committed, or when its claim
 * turned out to be somebody else's by now. While the database is away it keeps them and tries again.
 */
export function createSettler(given: SettlerDeps): Settler {
  let isStopped = false;
  const deps: SettlingDeps = { ...given, isStopped: () => isStopped };
  const locked = createLockedOutcomes({
    ...deps,
    portionMax: TOGETHER_MAX,
    settle: (...settling) => settleUntilWritten(deps, ...settling),
  });
  // Two lanes, so that an image of a small batch does not wait while outcomes of a large one are being written.
  const laneOf = (collectMs: number) =>
    createCollector<ImageOutcome>({
      portionMax: TOGETHER_MAX,
      collectMs,
      firstMs: COLLECT_SOON_MS,
      async write(items) {
        const free = locked.keepKnown(await deps.flushOutcomes(items));
        if (free.length > 0) locked.keep(await settleUntilWritten(deps, free));
      },
    });
  const [small, large] = [laneOf(COLLECT_SOON_MS), laneOf(COLLECT_MS)];
  return {
    stop: () => void (isStopped = true),
    flush(which) {
      small.flush();
      if (which === "all") large.flush();
    },
    async settle(item) {
      await (item.isOfSmallBatch ? small : large).add(item);
      await locked.ended(item.claim);
    },
    isHeldUp: locked.isFull,
    heldUp: locked.size,
  };
}

type SettlingDeps = SettlerDeps & { isStopped(): boolean };

/** Returns those that were not written, since somebody else has locked what they change. */
async function settleUntilWritten(
  deps: SettlingDeps,
  items: readonly ImageOutcome[],
  lockWaitMs?: number,
): Promise<readonly ImageOutcome[]> {
  for (;;) {
    try {
      const unnamed = await deps.transaction((tx) => settleTogether(deps, tx, items, lockWaitMs));
      if (unnamed.length > 0) await deps.removeOutputs(unnamed);
      return [];
    } catch (error) {
      if (isLockRefused(error)) return items;
      deps.onError(error);
      // One outcome that the database will not take must not hold up the others for ever.
      if (!isDatabaseAway(error) && items.length > 1) return settleOneByOne(deps, items, lockWaitMs);
      const [item] = items;
      if (isValueRefused(error) && item && wasWorked(item) && item.source !== null)
        return settleUntilWritten(deps, [withoutFacts(item)], lockWaitMs);
      // What else the database says is our mistake: the claim lapses, and the image is tried again.
      if (!isDatabaseAway(error) || deps.isStopped()) return [];
      await delay(RETRY_MS);
    }
  }
}

/** Of a batch that proves to be locked the others are not tried: each would wait in vain as long. */
async function settleOneByOne(deps: SettlingDeps, items: readonly ImageOutcome[], lockWaitMs?: number): Promise<readonly ImageOutcome[]> {
  const left: ImageOutcome[] = [];
  for (const item of items) {
    const isLocked = left.some(({ claim }) => claim.data.batchId === item.claim.data.batchId);
    left.push(...(isLocked ? [item] : await settleUntilWritten(deps, [item], lockWaitMs)));
  }
  return left;
}

/** An outcome that the database refused, because of something the far side said: it must not be worked again and again. */
function withoutFacts(item: Worked): Worked {
  const failure = { code: "storage_failed", detail: "The result could not be recorded.", retry: false } as const;
  return {
    ...item,
    outcome: { kind: "give_up", failure },
    source: null,
    stageMs: NO_STAGE_MS,
  };
}
