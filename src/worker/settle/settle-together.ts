import {
  addToCounters,
  settleImages,
  type CountedImage,
  type CounterState,
  type ImageKey,
  type SettledImage,
  type SourceFacts,
  type StageMs,
} from "../../db/settle-images.ts";
import { delayImages, recordRetries, type FailedAttempt } from "../../db/delay-images.ts";
import type { HandCome } from "../../db/come-images.ts";
import type { TriedImages } from "../../db/host-share.ts";
import { rememberSources, type NewSource } from "../../db/known-sources.ts";
import { settleRepeats } from "../../db/plan-images.ts";
import type { Tx } from "../../db/connection/connect.ts";
import { limitLockWait } from "../../db/connection/lock-wait.ts";
import { isOverBudget, type BudgetCounts } from "../../domain/batch/failure-budget.ts";
import { imageId } from "../../domain/ids.ts";
import type { Outcome, Release } from "../../domain/image/outcome.ts";
import { shelveImages } from "../../queue/hold-share.ts";
import { isToPlanOn } from "../../queue/plan-page.ts";
import type { Claim, QueuedImage } from "../../queue/image-jobs.ts";
import type { Queue } from "../../queue/queue.ts";
import type { OutputPlace } from "../../storage/storage.ts";
import type { Processed } from "../image/stages.ts";
import type { ComeImages } from "./come-images.ts";

export type ImageOutcome = Worked | Untried;

/** `drop` ends a claim whose image needs nothing any more; `shelve` one whose batch or share is paused, until that is resumed. */
export type Untried = {
  claim: Claim;
  outcome: { kind: "drop" } | { kind: "shelve" } | Release;
  /** Nobody waits for it. */
  isOfSmallBatch: false;
};

/** What came of working a claim, though that may have been broken off. */
export type Worked = {
  claim: Claim;
  outcome: Outcome<Processed>;
  /** In milliseconds of this process's clock that only goes forward: its machine's may be set meanwhile. */
  startedAtMs: number;
  /** Counts from 1. */
  attempt: number;
  tenantId: string;
  /** Of its batch, when it was claimed. */
  round: number;
  /** Names the image's URL under its recipe: see domain/image/source-key.ts. */
  sourceKey: string;
  isOfSmallBatch: boolean;
  /** Where the attempt has put outputs, whatever its outcome; of an image that failed, where any attempt can have. */
  placed: readonly OutputPlace[];
  source: SourceFacts | null;
  stageMs: StageMs;
};

export type SettleDeps = {
  queue: Pick<Queue, "endClaims" | "sendImages" | "sendPlan" | "sendFinish" | "hasImageJobs">;
  /** Pauses a batch of which too much has failed. */
  pause(tx: Tx, batchId: string, spent: BudgetCounts & { percent: number }): Promise<void>;
  /** Counts images for the shares of their hosts, of a batch with such a budget, and pauses shares of which too much has failed. */
  countShares(tx: Tx, state: CounterState, tried: TriedImages): Promise<void>;
  come: Pick<ComeImages, "handOf">;
};

/**
 * Records outcomes in the caller's transaction: image rows, counters and jobs change together, and only of claims that are still ours.
 * Returns the outputs that no row names, to be removed once it is committed. Is refused where somebody else has locked any of it for longer
 * than it waits (isLockRefused).
 */
export async function settleTogether(
  deps: SettleDeps,
  tx: Tx,
  items: readonly ImageOutcome[],
  lockWaitMs?: number,
): Promise<OutputPlace[]> {
  const { queue } = deps;
  await limitLockWait(tx, lockWaitMs);
  // First the claims: what is no longer ours is somebody else's to settle.
  const settling = items.map(({ claim }) => claim);
  const ended = await queue.endClaims(tx, settling);
  const ours = items.filter(({ claim }) => ended.has(claim));
  const worked = ours.filter(wasWorked);
  await requeue(queue, tx, ours);
  const settled = onePerImage(worked.flatMap(toSettled));
  const counted = await settleImages(tx, settled);
  await rememberSources(tx, worked.flatMap(toSource));
  const shelved = ours.filter(({ outcome }) => outcome.kind === "shelve").map(({ claim }) => claim);

  // The counters last and in the order of ids: they lock their batches.
  const batchIds = [...new Set([...counted.map(({ batchId }) => batchId), ...shelved.map(({ data }) => data.batchId)])].toSorted();
  for (const batchId of batchIds) {
    const images = counted.filter((image) => image.batchId === batchId);
    const hand = deps.come.handOf(batchId, settling);
    const state = await countBatch(deps, tx, { batchId, images, hand });
    if (!state) continue;
    // With the batch locked, of several settles the last one sees that none is left.
    if (state.isCancelled && !(await queue.hasImageJobs(tx, batchId))) await queue.sendFinish(tx, { batchId, run: state.run });
    await shelveImages(
      tx,
      queue,
      state,
      shelved.filter(({ data }) => data.batchId === batchId),
    );
  }
  return unnamedOutputs(worked, settled, counted);
}

export function wasWorked(item: ImageOutcome): item is Worked {
  return "attempt" in item;
}

/** Only of images that were settled just now, which nobody can settle again: at the place of another may lie what somebody's row names. */
function unnamedOutputs(worked: readonly Worked[], settled: readonly SettledImage[], counted: readonly ImageKey[]): OutputPlace[] {
  const hasUnnamed = ({ placed, outcome }: Worked) => placed.length > (outcome.kind === "done" ? outcome.result.outputs.length : 0);
  return worked.filter(hasUnnamed).flatMap(({ claim: { data }, placed }) => {
    const isThis = ({ batchId, ordinal }: ImageKey) => batchId === data.batchId && ordinal === data.ordinal;
    if (!counted.some(isThis)) return [];
    const named = settled.find(isThis)?.outputs ?? [];
    return placed.filter(({ fileName }) => !named.some((output) => output.fileName === fileName));
  });
}

/** An image whose job was sent once too often can have two outcomes here: one is enough. */
function onePerImage(images: readonly SettledImage[]): SettledImage[] {
  return [...new Map(images.map((image) => [imageId(image), image])).values()];
}

/** What is tried again, or goes back untried. A retry of an image that somebody else has settled ends with its claim. */
async function requeue(queue: SettleDeps["queue"], tx: Tx, ours: readonly ImageOutcome[]): Promise<void> {
  const retried = await recordRetries(tx, ours.filter(wasWorked).flatMap(toRetry));
  const released = ours.flatMap(({ claim, outcome }) =>
    outcome.kind === "release" ? [{ ...jobOf(claim, outcome), delayMs: outcome.delayMs }] : [],
  );
  const delayed = released.filter(({ delayMs }) => delayMs > 0);
  await delayImages(
    tx,
    delayed.map(({ data, delayMs }) => ({ ...data, delayMs })),
  );
  await queue.sendImages(tx, [...retried.map(({ claim, delayMs }) => ({ ...jobOf(claim), delayMs })), ...released]);
}

function jobOf({ data, priority }: Claim, { askedSince }: { askedSince?: number } = {}): { data: QueuedImage; priority: number } {
  return { data: askedSince === undefined ? data : { ...data, askedSince }, priority };
}

function toRetry({ claim, outcome, startedAtMs }: Worked): (FailedAttempt & { claim: Claim })[] {
  if (outcome.kind !== "retry") return [];
  const { failure, delayMs } = outcome;
  return [{ ...claim.data, claim, code: failure.code, detail: failure.detail, startedAgoMs: performance.now() - startedAtMs, delayMs }];
}

/** `hand` is what else comes well of it. */
type Counting = { batchId: string; images: readonly CountedImage[]; hand: HandCome };

async function countBatch(deps: SettleDeps, tx: Tx, { batchId, images, hand }: Counting): Promise<CounterState | null> {
  const { queue } = deps;
  const sum = (pick: (image: CountedImage) => number) => images.reduce((total, image) => total + pick(image), 0);
  const state = await addToCounters(tx, {
    batchId,
    settledFirsts: images.length,
    tried: { images: images.map(({ state, round, isLate }) => ({ state, round, isLate })), hand },
    done: sum((image) => (image.state === "done" ? 1 : 0)),
    reused: sum((image) => (image.isReused ? 1 : 0)),
    failed: sum((image) => (image.state === "failed" ? 1 : 0)),
    inputBytes: sum((image) => image.inputBytes),
    outputBytes: sum((image) => image.outputBytes),
    startedAgoMs: images.length === 0 ? null : Math.max(...images.map((image) => image.startedAgoMs)),
  });
  if (!state || images.length === 0) return state;

  const ordinals = images.map(({ ordinal }) => ordinal);
  const isSettled = state.hasRepeats ? await countRepeats(tx, batchId, ordinals) : state.isSettled;
  if (isSettled || state.standsStill) await queue.sendFinish(tx, { batchId, run: state.run });
  if (isSettled) return state;
  const isPaused = await pauseWhenSpent(deps, tx, state);
  if (state.hostPercent !== null) await deps.countShares(tx, { ...state, isPaused }, { images, ...hand });
  if (isToPlanOn(state, { queued: state.queued, taken: images.length })) await queue.sendPlan(tx, { batchId });
  return { ...state, isPaused };
}

/**
 * Gives repeats their first one's state; with the batch locked, none can be planned past us. Returns whether all of the batch is
 * settled with them.
 */
async function countRepeats(tx: Tx, batchId: string, firsts: number[]): Promise<boolean> {
  const repeats = await settleRepeats(tx, batchId, { firsts });
  const none = { settledFirsts: 0, tried: null, reused: 0, inputBytes: 0, outputBytes: 0, startedAgoMs: null };
  const state = await addToCounters(tx, { batchId, ...none, ...repeats });
  return state?.isSettled ?? false;
}

/** Returns whether the batch is paused now. Its counters tell whether its budget is spent, so that a batch within it costs no query. */
async function pauseWhenSpent(
  deps: SettleDeps,
  tx: Tx,
  { batchId, isPaused, budgetPercent, budgetSettled, budgetFailed, budgetFailedLate, come }: CounterState,
): Promise<boolean> {
  const spent = { settled: budgetSettled, failed: budgetFailed, failedLate: budgetFailedLate, come };
  if (isPaused || budgetPercent === null || !isOverBudget(spent, budgetPercent)) return isPaused;
  await deps.pause(tx, batchId, { ...spent, percent: budgetPercent });
  return true;
}

function toSettled({ claim, outcome, startedAtMs, source, stageMs, round }: Worked): SettledImage[] {
  // Whose size is known came to an encoder.
  const isLate = outcome.kind === "give_up" && (source?.sourceWidth ?? null) !== null;
  const common = { ...claim.data, ...stageMs, startedAgoMs: performance.now() - startedAtMs, source, round, isLate };
  switch (outcome.kind) {
    case "done":
      return [{ ...common, state: "done", code: null, detail: null, isReused: outcome.result.isReused, outputs: outcome.result.outputs }];
    case "give_up": {
      const { code, detail, httpStatus } = outcome.failure;
      return [{ ...common, state: "failed", code, detail, httpStatus, isReused: false, outputs: [] }];
    }
    case "retry":
    case "release":
      return [];
    default:
      return outcome satisfies never;
  }
}

function toSource({ claim, outcome, source, tenantId, sourceKey }: Worked): NewSource[] {
  if (outcome.kind !== "done" || source === null) return [];
  return [{ ...claim.data, tenantId, key: sourceKey }];
}
