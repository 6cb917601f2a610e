import { findBatch, lockBatch, type BatchRow } from "../db/batches.ts";
import type { Tx } from "../db/connection/connect.ts";
import { addToShares, findWorstOfHost, keepHeldImages, markSharePaused, type Share, type TriedImages } from "../db/host-share.ts";
import { markStandingStill } from "../db/pause-batch.ts";
import type { CounterState } from "../db/settle-images.ts";
import { describeOnlyHeld, describeShareOverBudget, isOverBudget } from "../domain/batch/failure-budget.ts";
import { announceEvent, type AnnounceDeps } from "./announce-event.ts";
import { isToPlanOn, QUEUED_LOW_WATER } from "./plan-page.ts";
import type { Claim } from "./image-jobs.ts";
import type { Queue } from "./queue.ts";

type HoldDeps = AnnounceDeps & { queue: Pick<Queue, "dropWaitingOfHost" | "sendDeliver" | "sendPlan" | "sendFinish"> };
type CountedBatch = Pick<CounterState, "batchId" | "hostPercent" | "round" | "isPaused" | "isPlanned">;

/**
 * Counts settled images for the shares of their hosts, and pauses those of which too much has failed: of a batch with such
 * a budget, which the caller holds locked.
 */
export async function countShares(tx: Tx, deps: HoldDeps, batch: CountedBatch, tried: TriedImages): Promise<void> {
  const shares = await addToShares(tx, { ...batch, tried });
  // A batch that is paused is resumed with all of its hosts.
  if (batch.isPaused) return;
  for (const share of shares) if (!share.isPaused && isOverBudget(share, batch.hostPercent)) await holdShare(tx, deps, batch, share);
}

/**
 * Takes the share's waiting images out of the queue and holds them. Its images that are being fetched have a grace: those that come
 * within it end normally and count, the others are held after it.
 */
async function holdShare(tx: Tx, deps: HoldDeps, { batchId, hostPercent, isPlanned }: CountedBatch, share: Share): Promise<void> {
  const { host } = share;
  const { dropped, inHand } = await deps.queue.dropWaitingOfHost(tx, batchId, host);
  const isOver = isPlanned && dropped.length + inHand + share.imagesHeld === 0;
  if (isOver) return;
  const worst = await findWorstOfHost(tx, batchId, host);
  const reason = describeShareOverBudget(host, share, hostPercent ?? 0, worst);
  const paused = await markSharePaused(tx, { batchId, host, reason, ordinals: dropped });
  if (!paused) return;
  const { batch, pausedAt, imagesHeld } = paused;
  await announceEvent(tx, deps, batch, {
    type: "batch.host_paused",
    at: pausedAt,
    share: { ...share, pausedAt, pauseReason: reason, imagesHeld },
  });
  await goOn(tx, deps, batch);
}

/**
 * Lets the images of other hosts take the room that the held ones leave in the queue. Where there are none, a finish job looks
 * whether the batch has ended.
 */
async function goOn(tx: Tx, { queue }: HoldDeps, { batchId, run, isPlanned, imagesQueued, imagesDue }: BatchRow): Promise<void> {
  if (isPlanned && imagesDue === 0) {
    if (imagesQueued === 0) await queue.sendFinish(tx, { batchId, run });
  } else if (imagesQueued < QUEUED_LOW_WATER) await queue.sendPlan(tx, { batchId });
}

/**
 * Holds images whose claims were ended because their host was paused, and lets the images of other hosts take their room in the
 * queue. Those whose host has been resumed meanwhile are queued again: the resume saw that they still had jobs, and made none.
 * Images of a paused batch are left to its resume. The caller holds the batch locked.
 */
export async function shelveImages(
  tx: Tx,
  queue: Pick<Queue, "sendImages" | "sendPlan" | "sendFinish">,
  batch: CounterState,
  claims: readonly Claim[],
): Promise<void> {
  if (batch.isPaused || claims.length === 0) return;
  const { batchId, round, run } = batch;
  const { held, left } =
    batch.hostsPaused > 0
      ? await keepHeldImages(tx, { batchId, round, ordinals: claims.map(({ data }) => data.ordinal), wereQueued: true })
      : { held: new Set<number>(), left: null };
  await queue.sendImages(
    tx,
    claims.filter(({ data }) => !held.has(data.ordinal)).map(({ data, priority }) => ({ data, priority })),
  );
  if (left?.standsStill) await queue.sendFinish(tx, { batchId, run });
  if (left && isToPlanOn(batch, left)) await queue.sendPlan(tx, { batchId });
}

/**
 * Pauses a batch of which only images of paused hosts are left. The pause names these hosts: whoever waits for the end of the
 * batch has to resume them.
 */
export async function pauseStandingStill(
  tx: Tx,
  deps: AnnounceDeps,
  { batchId, tenantId }: Pick<BatchRow, "batchId" | "tenantId">,
): Promise<void> {
  await lockBatch(tx, batchId);
  const batch = await findBatch(tx.executor, tenantId, batchId);
  const paused = batch && (await markStandingStill(tx, batchId, describeOnlyHeld(batch.pausedShares, batch)));
  if (paused?.pausedAt) await announceEvent(tx, deps, paused, { type: "batch.paused", at: paused.pausedAt });
}
