/**
 * How many images of a batch share a tag. A new batch waits until the tag that is being served is done in each batch that
 * runs: with a hundred images in a tag, a batch of ten beside a large one took 9.6 times as long as alone.
 */
export const TAG_IMAGES = 10;
/** The limit of the column, reached after 21 billion images; from then on the queue is first come, first served. */
const TAG_MAX = 2 ** 31 - 1;

/**
 * Start-time fair queueing between batches: the images of a page get the tags after the batch's last one, and after
 * the virtual time, which is the tag being served now. A new batch therefore starts beside those that run, not behind
 * their whole backlog, and none can be overtaken for ever. The queue serves the highest priority first, so that a
 * priority is the tag negated. `index` counts the images within the page.
 */
export function tagOf(virtualTime: number, lastTag: number, index: number): number {
  return Math.min(TAG_MAX, Math.max(virtualTime, lastTag) + 1 + Math.floor(index / TAG_IMAGES));
}

export function priorityOf(tag: number): number {
  return -tag;
}
