import type { Transaction } from "../db/connection/connect.ts";
import { listLostDeliveries, listLostImages, listStalledBatches, tryReconcileLock } from "../db/reconcile.ts";
import { followSetBackClock, type SetBack } from "../db/set-back-clock.ts";
import { priorityOf } from "../domain/load/fair-tag.ts";
import { QUEUED_LOW_WATER } from "../queue/plan-page.ts";
import type { Queue } from "../queue/queue.ts";

type ReconcileDeps = {
  transaction: Transaction;
  queue: Pick<Queue, "sendImages" | "sendPlan" | "sendFinish" | "sendDeliver">;
};

type Reconciled = { images: number; batches: number; deliveries: number; setBack: SetBack | null };

/** The most in a pass, so that a damaged queue of millions is mended in steps and not in one transaction. */
const PASS_MAX = 5_000;

/**
 * Compares what the tables say is open with the jobs that exist, and sends the jobs that are missing. Where the database's clock was set
 * back, has what waits for a time by the old one wait from now on.
 */
export async function reconcile({ transaction, queue }: ReconcileDeps): Promise<Reconciled> {
  // By itself, as it can hold many jobs, whose heartbeats and settles wait meanwhile.
  const setBack = await transaction(async (tx) => ((await tryReconcileLock(tx)) ? followSetBackClock(tx) : null));
  return transaction(async (tx) => {
    if (!(await tryReconcileLock(tx))) return { images: 0, batches: 0, deliveries: 0, setBack };
    const images = await listLostImages(tx, PASS_MAX);
    await queue.sendImages(
      tx,
      inOrder(images).map(({ tag, ...data }) => ({ data, priority: priorityOf(tag) })),
    );

    const batches = await listStalledBatches(tx, QUEUED_LOW_WATER);
    for (const { batchId, run, isAllQueued } of batches) {
      await (isAllQueued ? queue.sendFinish(tx, { batchId, run }) : queue.sendPlan(tx, { batchId }));
    }

    const deliveries = await listLostDeliveries(tx, PASS_MAX);
    for (const delivery of deliveries) await queue.sendDeliver(tx, delivery);
    return { images: images.length, batches: batches.length, deliveries: deliveries.length, setBack };
  });
}

/** Those of one batch beside each other, so that they share jobs. */
function inOrder<Image extends { batchId: string; ordinal: number }>(images: readonly Image[]): Image[] {
  return images.toSorted((one, other) => one.batchId.localeCompare(other.batchId) || one.ordinal - other.ordinal);
}
