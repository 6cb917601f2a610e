import type { BatchRow } from "../db/batches.ts";
import type { Tx } from "../db/connection/connect.ts";
import { markShareResumed } from "../db/host-share.ts";
import { markResumed, recordTag, reopenImages, type BudgetChange } from "../db/pause-batch.ts";
import { advanceVirtualTime } from "../db/plan-images.ts";
import { announceEvent, type AnnounceDeps } from "./announce-event.ts";
import type { Queue } from "./queue.ts";
import { sendTagged } from "./send-tagged.ts";

type ResumeDeps = AnnounceDeps & { queue: Pick<Queue, "sendDeliver" | "sendImages" | "sendPlan" | "headTag"> };

/**
 * Goes on with a paused batch and with all of its paused hosts, in the caller's transaction: each image that is still to be tried
 * gets one place in a job. Images of paused hosts get theirs from the planner, as there is room. Null where nothing of it is paused.
 */
export async function resumeBatch(tx: Tx, deps: ResumeDeps, batchId: string, change: BudgetChange): Promise<BatchRow | null> {
  const resumed = await markResumed(tx, batchId, change);
  if (!resumed) return null;
  if (resumed.imagesQueued > 0) await requeueImages(tx, deps.queue, resumed);
  if (!resumed.isPlanned || resumed.imagesDue > 0) await deps.queue.sendPlan(tx, { batchId });
  await announceEvent(tx, deps, resumed, { type: "batch.resumed", at: resumed.resumedAt });
  return resumed;
}

/** Goes on with one paused host of a batch: the planner queues its images as there is room. Null where it is not paused. */
export async function resumeShare(
  tx: Tx,
  deps: ResumeDeps,
  batchId: string,
  host: string,
  percent: number | null | undefined,
): Promise<BatchRow | null> {
  const resumed = await markShareResumed(tx, batchId, host, percent);
  if (!resumed) return null;
  const { batch, share, resumedAt } = resumed;
  if (batch.imagesDue > 0) await deps.queue.sendPlan(tx, { batchId });
  await announceEvent(tx, deps, batch, { type: "batch.host_resumed", at: resumedAt, share });
  return batch;
}

/** The images get new tags, as if they were planned now: with their old ones they would all go before those of every other batch. */
async function requeueImages(tx: Tx, queue: ResumeDeps["queue"], batch: BatchRow): Promise<void> {
  const images = await reopenImages(tx, batch.batchId);
  if (images.length === 0) return;
  const virtualTime = await advanceVirtualTime(tx, await queue.headTag(tx), { isBeginning: false });
  const { batchId, tag: lastTag } = batch;
  await recordTag(tx, batchId, await sendTagged(tx, queue, { batchId, lastTag, virtualTime }, images));
}
