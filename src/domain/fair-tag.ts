/**
 * Start-time fair queueing between batches: every page of a batch gets the tag after its last one, but never
 * one that lies before the virtual time, which is the tag being served now. A new batch therefore starts beside
 * those that run, not behind their whole backlog, and none can be overtaken for ever.
 * The queue serves the highest priority first, so that a priority is the tag negated.
 */
export function nextTag(virtualTime: number, lastTag: number): number {
  return Math.max(virtualTime, lastTag) + 1;
}

export function priorityOf(tag: number): number {
  return -tag;
}
