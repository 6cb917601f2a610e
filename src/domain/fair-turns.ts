/** The order in which images that have come go to the encoders. */
export type FairTurns = {
  /** The turn of this batch's next image; the lowest is served first. */
  take(batchId: string): number;
  /** Called when an encoder is done with an image. */
  onServed(turn: number): void;
};

/**
 * Batches take turns, one image each. The tags of the queue (domain/fair-tag.ts) decide what is claimed, and are of no use here: at the
 * end of all there is to do some ten seconds of work of a batch are in hand, and a batch that begins then would wait for all of it.
 */
export function createFairTurns(): FairTurns {
  let served = 0;
  /** Of batches that have images waiting. */
  const lastOf = new Map<string, number>();
  return {
    take(batchId) {
      const turn = Math.max(served, lastOf.get(batchId) ?? 0) + 1;
      lastOf.set(batchId, turn);
      return turn;
    },
    onServed(turn) {
      if (turn <= served) return;
      served = turn;
      for (const [batchId, last] of lastOf) if (last <= served) lastOf.delete(batchId);
    },
  };
}
