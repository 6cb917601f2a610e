/**
 * How many images of a batch share a tag. A new batch waits for what is left of the tag being served, of each batch that
 * runs: with a hundred images to a tag ten images beside a large batch took 9.6 times as long as alone.
 */
export const TAG_IMAGES = 10;
/** The column's limit, after 21 billion images: from there on the queue is first come, first served. */
const TAG_MAX = 2 ** 31 - 1;

/**
 * Start-time fair queueing between batches: the images of a page get the tags after the batch's last one, but never
 * one that lies before the virtual time, which is the tag being served now. A new batch therefore starts beside
 * those that run, not behind their whole backlog, and none can be overtaken for ever.
 * The queue serves the highest priority first, so that a priority is the tag negated. `index` counts within the page.
 */
export function tagOf(virtualTime: number, lastTag: number, index: number): number {
  return Math.min(TAG_MAX, Math.max(virtualTime, lastTag) + 1 + Math.floor(index / TAG_IMAGES));
}

export function priorityOf(tag: number): number {
  return -tag;
}
