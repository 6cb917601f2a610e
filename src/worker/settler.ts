import { addToCounters, recordRetries, settleImages, type CounterState, type SettledImage, type SourceFacts, type StageMs } from "../db/settle-images.ts";
import { rememberSources, type NewSource } from "../db/known-sources.ts";
import { settleRepeats } from "../db/plan-images.ts";
import { isDatabaseAway, isValueRefused, type Tx } from "../db/connect.ts";
import { isOverBudget, type BudgetCounts } from "../domain/failure-budget.ts";
import type { Outcome } from "../domain/outcome.ts";
import { shelveImages } from "../queue/hold-share.ts";
import { QUEUED_LOW_WATER } from "../queue/plan-page.ts";
import type { Claim, Queue } from "../queue/queue.ts";
import { createCollector } from "./collector.ts";
import type { Processed } from "./stages.ts";

export type ImageOutcome = {
  claim: Claim;
  /** `drop` ends a claim whose image needs nothing any more; `shelve` one whose batch is paused, until it is resumed. */
  outcome: Outcome<Processed> | { kind: "drop" } | { kind: "shelve" };
  startedAt: Date;
  /** Counts from 1. */
  attempt: number;
  tenantId: string;
  /** Names the image's URL under its recipe: see domain/source-key.ts. */
  key: string;
  isOfSmallBatch: boolean;
  source: SourceFacts | null;
  stageMs: StageMs;
};

type SettlerDeps = {
  transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
  queue: Pick<Queue, "endClaims" | "sendImages" | "sendPlan" | "sendFinish">;
  /** Puts on the disk what the rows will name; the outcome of an image whose files it would not take is another. */
  flush(items: readonly ImageOutcome[]): Promise<readonly ImageOutcome[]>;
  /** Pauses a batch of which too much has failed. */
  pause(tx: Tx, batchId: string, spent: BudgetCounts & { percent: number }): Promise<void>;
  /** Counts images for the shares of their hosts, of a batch with such a budget, and pauses shares of which too much has failed. */
  countShares(tx: Tx, state: CounterState, ordinals: readonly number[]): Promise<void>;
  onError(error: unknown): void;
};

export type Settler = {
  settle(outcome: ImageOutcome): Promise<void>;
  /** Writes what waits, without waiting for more. */
  flush(): void;
  /** What cannot be written now is left to whoever gets its claim next. */
  stop(): void;
};

/** One image per transaction costs 1.0 ms of CPU, fifty per transaction 0.03 ms each. */
const PAGE_MAX = 100;
/** So long an outcome waits for company; the first after a rest, and those of small batches, which somebody looks at, less. */
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
  // Two lanes: what a small batch's image waits for is not the page of a large one that is being written.
  const laneOf = (collectMs: number) =>
    createCollector<ImageOutcome>({ pageMax: PAGE_MAX, collectMs, firstMs: COLLECT_SOON_MS, write: async (items) => settleUntilWritten(deps, await deps.flush(items)) });
  const [small, large] = [laneOf(COLLECT_SOON_MS), laneOf(COLLECT_MS)];
  return {
    stop: () => void (isStopped = true),
    flush() {
      small.flush();
      large.flush();
    },
    settle: (item) => (item.isOfSmallBatch ? small : large).add(item),
  };
}

type SettlingDeps = SettlerDeps & { isStopped(): boolean };

async function settleUntilWritten(deps: SettlingDeps, items: readonly ImageOutcome[]): Promise<void> {
  for (;;) {
    try {
      return await deps.transaction((tx) => settleTogether(deps, tx, items));
    } catch (error) {
      deps.onError(error);
      // One outcome that the database will not take must not hold up the others for ever.
      if (!isDatabaseAway(error) && items.length > 1) {
        for (const item of items) await settleUntilWritten(deps, [item]);
        return;
      }
      const [item] = items;
      if (isValueRefused(error) && item && item.source !== null) return settleUntilWritten(deps, [withoutFacts(item)]);
      // What else the database says is our mistake: the claim lapses, and the image is tried again.
      if (!isDatabaseAway(error) || deps.isStopped()) return;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** An outcome that the database refused, because of something the far side said: it must not be worked again and again. */
function withoutFacts(item: ImageOutcome): ImageOutcome {
  const failure = { code: "storage_failed", detail: "The result could not be recorded.", retry: false } as const;
  return { ...item, outcome: { kind: "give_up", failure }, source: null, stageMs: { waitMs: null, fetchMs: null, encodeMs: null, storeMs: null } };
}

type SettleDeps = Pick<SettlerDeps, "queue" | "pause" | "countShares">;

async function settleTogether(deps: SettleDeps, tx: Tx, items: readonly ImageOutcome[]): Promise<void> {
  const { queue } = deps;
  // First the claims: what is no longer ours is somebody else's to settle.
  const ours = await queue.endClaims(tx, items.map(({ claim }) => claim));
  const held = items.filter(({ claim }) => ours.has(claim.id));
  await requeue(queue, tx, held);
  const counted = await settleImages(tx, onePerImage(held.flatMap(toSettled)));
  await rememberSources(tx, held.flatMap(toSource));
  const shelved = held.filter(({ outcome }) => outcome.kind === "shelve").map(({ claim }) => claim);

  // The counters last and in the order of ids: they lock their batches.
  const batchIds = [...new Set([...counted.map(({ batchId }) => batchId), ...shelved.map(({ data }) => data.batchId)])].toSorted();
  for (const batchId of batchIds) {
    const state = await countBatch(deps, tx, batchId, counted.filter((image) => image.batchId === batchId));
    if (state) await shelveImages(tx, queue, state, shelved.filter(({ data }) => data.batchId === batchId));
  }
}

/** An image whose job was sent once too often can be in one collection twice: one outcome is enough. */
function onePerImage(images: readonly SettledImage[]): SettledImage[] {
  return [...new Map(images.map((image) => [`${image.batchId}/${image.ordinal}`, image])).values()];
}

async function requeue(queue: SettlerDeps["queue"], tx: Tx, held: readonly ImageOutcome[]): Promise<void> {
  const retries = held.flatMap(({ claim, outcome, startedAt }) =>
    outcome.kind === "retry"
      ? [{ ...claim.data, code: outcome.failure.code, detail: outcome.failure.detail, startedAt: startedAt.toISOString(), delayMs: outcome.delayMs }]
      : [],
  );
  if (retries.length > 0) await recordRetries(tx, retries);
  const jobs = held.flatMap(({ claim, outcome }) =>
    outcome.kind === "retry" || outcome.kind === "release" ? [{ data: claim.data, priority: claim.priority, delayMs: outcome.delayMs }] : [],
  );
  await queue.sendImages(tx, jobs);
}

async function countBatch(deps: SettleDeps, tx: Tx, batchId: string, images: Awaited<ReturnType<typeof settleImages>>): Promise<CounterState | null> {
  const { queue } = deps;
  const sum = (pick: (image: (typeof images)[number]) => number) => images.reduce((total, image) => total + pick(image), 0);
  const failed = sum((image) => (image.state === "failed" ? 1 : 0));
  const state = await addToCounters(tx, {
    batchId,
    settledFirsts: images.length,
    failedFirsts: failed,
    done: sum((image) => (image.state === "done" ? 1 : 0)),
    reused: sum((image) => (image.isReused ? 1 : 0)),
    failed,
    inputBytes: sum((image) => image.inputBytes),
    outputBytes: sum((image) => image.outputBytes),
  });
  if (!state || images.length === 0) return state;

  // With the batch locked, no repeat can be planned past us: those that are there take their first one's state.
  let { isSettled } = state;
  if (state.hasRepeats) {
    const repeats = await settleRepeats(tx, batchId, { firsts: images.map(({ ordinal }) => ordinal) });
    const after = await addToCounters(tx, { batchId, settledFirsts: 0, failedFirsts: 0, ...repeats, reused: 0, inputBytes: 0, outputBytes: 0 });
    isSettled = after?.isSettled ?? false;
  }
  if (isSettled || state.standsStill) await queue.sendFinish(tx, { batchId, run: state.run });
  if (isSettled) return state;
  const isPaused = await pauseWhenSpent(deps, tx, state);
  if (state.hostPercent !== null) await deps.countShares(tx, { ...state, isPaused }, images.map(({ ordinal }) => ordinal));
  const hasCrossedLowWater = state.queued < QUEUED_LOW_WATER && state.queued + images.length >= QUEUED_LOW_WATER;
  if (hasCrossedLowWater && (!state.isPlanned || state.hasDue)) await queue.sendPlan(tx, { batchId });
  return { ...state, isPaused };
}

/** Whether it is paused now. The row that was counted on tells all that is needed, so that a batch within its budget costs no query. */
async function pauseWhenSpent(deps: SettleDeps, tx: Tx, { batchId, isPaused, budgetPercent, budgetSettled, budgetFailed }: CounterState): Promise<boolean> {
  const spent = { settled: budgetSettled, failed: budgetFailed };
  if (isPaused || budgetPercent === null || !isOverBudget(spent, budgetPercent)) return isPaused;
  await deps.pause(tx, batchId, { ...spent, percent: budgetPercent });
  return true;
}

function toSettled({ claim, outcome, startedAt, source, stageMs }: ImageOutcome): SettledImage[] {
  const common = { ...claim.data, ...stageMs, startedAt: startedAt.toISOString(), source };
  switch (outcome.kind) {
    case "done":
      return [{ ...common, state: "done", code: null, detail: null, isReused: outcome.result.isReused, outputs: outcome.result.outputs }];
    case "give_up":
      return [{ ...common, state: "failed", code: outcome.failure.code, detail: outcome.failure.detail, isReused: false, outputs: [] }];
    case "retry":
    case "release":
    case "drop":
    case "shelve":
      return [];
    default:
      return outcome satisfies never;
  }
}

function toSource({ claim, outcome, source, tenantId, key }: ImageOutcome): NewSource[] {
  if (outcome.kind !== "done" || source === null) return [];
  return [{ ...claim.data, tenantId, key, sha256: source.sha256, etag: source.etag, lastModified: source.lastModified }];
}
