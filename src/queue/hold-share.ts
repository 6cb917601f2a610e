import type { BatchRow } from "../db/batches.ts";
import type { Tx } from "../db/connect.ts";
import { addToShares, findWorstOfHost, keepHeldImages, markSharePaused, type Share } from "../db/host-share.ts";
import { markStandingStill } from "../db/pause-batch.ts";
import type { CounterState } from "../db/settle-images.ts";
import { describeOnlyHeld, describeShareOverBudget, isOverBudget } from "../domain/failure-budget.ts";
import { announceEvent, type AnnounceDeps } from "./announce-event.ts";
import { isToPlanOn, QUEUED_LOW_WATER } from "./plan-page.ts";
import type { Claim } from "./image-jobs.ts";
import type { Queue } from "./queue.ts";

export type HoldDeps = AnnounceDeps & { queue: Pick<Queue, "dropWaitingOfHost" | "sendDeliver" | "sendPlan" | "sendFinish"> };
type CountedBatch = Pick<CounterState, "batchId" | "hostPercent" | "round" | "isPaused" | "isPlanned">;

/**
 * Counts settled images for the shares of their hosts, and pauses those of which too much has failed: of a batch with such
 * a budget, which the caller holds locked.
 */
export async function countShares(tx: Tx, deps: HoldDeps, batch: CountedBatch, ordinals: readonly number[]): Promise<void> {
  const shares = await addToShares(tx, { ...batch, ordinals });
  // A batch that is paused is resumed with all of its hosts.
  if (batch.isPaused) return;
  for (const share of shares) if (!share.isPaused && isOverBudget(share, batch.hostPercent)) await holdShare(tx, deps, batch, share);
}

/**
 * The waiting images leave the queue and are kept, those that are being fetched after a grace; what comes within it ends
 * normally and counts.
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

/** The others' images take the room in the queue that these leave; where there are none, the batch is looked at as if it had ended. */
async function goOn(tx: Tx, { queue }: HoldDeps, { batchId, run, isPlanned, imagesQueued, imagesDue }: BatchRow): Promise<void> {
  if (isPlanned && imagesDue === 0) {
    if (imagesQueued === 0) await queue.sendFinish(tx, { batchId, run });
  } else if (imagesQueued < QUEUED_LOW_WATER) await queue.sendPlan(tx, { batchId });
}

/**
 * What becomes of images whose claims were ended since they, or their batch, were paused. With the batch locked they are
 * kept for the resume, and the others' images take their room; or queued once more where it has come meanwhile, by somebody
 * who saw that they had jobs.
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

/** Pauses a batch when only images of paused hosts are left, and names the hosts: whoever waits for its end has to know. */
export async function pauseStandingStill(tx: Tx, deps: AnnounceDeps, batch: BatchRow): Promise<void> {
  const paused = await markStandingStill(tx, batch.batchId, describeOnlyHeld(batch.pausedShares, batch));
  if (paused?.pausedAt) await announceEvent(tx, deps, paused, { type: "batch.paused", at: paused.pausedAt });
}
