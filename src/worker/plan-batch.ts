import type { Tx } from "../db/connect.ts";
import { planPage } from "../queue/plan-page.ts";
import type { Queue } from "../queue/queue.ts";

type PlanDeps = { transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>; queue: Pick<Queue, "sendImages" | "announceBatch" | "sendFinish" | "headTag"> };

/** Fills the batch's share of the queue, a page and a transaction at a time; may run twice. */
export async function planBatch({ transaction, queue }: PlanDeps, batchId: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const { more } = await transaction((tx) => planPage(tx, queue, batchId));
    if (!more) return;
  }
}
