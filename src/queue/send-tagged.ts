import type { Tx } from "../db/connection/connect.ts";
import { priorityOf, tagOf } from "../domain/load/fair-tag.ts";
import type { Queue } from "./queue.ts";

/** `lastTag`: the batch's last one. `virtualTime`: the tag that is being served, as tagOf() takes it. */
type Place = { batchId: string; lastTag: number; virtualTime: number };
type ImageOfBatch = { ordinal: number; delayMs?: number };

/** Sends images of a batch, in their order, behind those that it has sent before. Returns the batch's last tag from now on. */
export async function sendTagged(
  tx: Tx,
  queue: Pick<Queue, "sendImages">,
  { batchId, lastTag, virtualTime }: Place,
  images: readonly ImageOfBatch[],
): Promise<number> {
  const tagAt = (index: number) => tagOf(virtualTime, lastTag, index);
  await queue.sendImages(
    tx,
    images.map(({ ordinal, delayMs = 0 }, index) => ({ data: { batchId, ordinal }, priority: priorityOf(tagAt(index)), delayMs })),
  );
  return images.length > 0 ? tagAt(images.length - 1) : lastTag;
}
