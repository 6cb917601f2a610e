/** Gives a piece of work of this batch, or of several that share a name, its turn; of those that wait the lowest is served first. */
type FairTurns = <T>(batchId: string, work: (turn: number) => Promise<T>, weight?: number) => Promise<T>;

/**
 * Batches take turns, one image each, or as many as their weight. The tags of the queue (domain/load/fair-tag.ts) decide what is claimed, and are of no use here: at the
 * end of all there is to do some ten seconds of work of a batch are in hand, and a batch that begins then would wait for all of it.
 */
export function createFairTurns(): FairTurns {
  let served = 0;
  /** Of batches that have images waiting. */
  const lastOf = new Map<string, number>();
  const take = (batchId: string, step: number) => {
    const turn = Math.max(served, lastOf.get(batchId) ?? 0) + step;
    lastOf.set(batchId, turn);
    return turn;
  };
  const onServed = (turn: number) => {
    if (turn <= served) return;
    served = turn;
    for (const [batchId, last] of lastOf) if (last <= served) lastOf.delete(batchId);
  };
  /** Others of its batch take the turns of those that were called off, or they would wait for all that others have waiting. */
  const giveBack = (batchId: string, turn: number, step: number) => {
    const last = lastOf.get(batchId);
    if (last !== undefined) lastOf.set(batchId, Math.min(last, turn - step));
  };
  return async (batchId, work, weight = 1) => {
    const step = 1 / weight;
    const turn = take(batchId, step);
    try {
      const result = await work(turn);
      onServed(turn);
      return result;
    } catch (error) {
      giveBack(batchId, turn, step);
      throw error;
    }
  };
}
