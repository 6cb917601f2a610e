/** Those that wait before a gate. */
export type Waiters = {
  readonly count: number;
  add(batchId: string, waiter: Waiter): void;
  /** It waits no longer. */
  remove(batchId: string, waiter: Waiter): void;
  /** Admits the one whose turn it is, where any waits. */
  admitNext(): void;
  /** Turns so many away that are not patient, each for the reason that it is given: one after the other the last of the batch of which the most wait. */
  turnAway(count: number, reasonOf: () => unknown): void;
};

export type Waiter = { isPatient: boolean; admit(): void; turnAway(reason: unknown): void };

/**
 * Batches take turns, one of each, and those of one batch keep their order. First come, first served, ten images waited for all that
 * a large batch had in hand of the same slow host: 48 s instead of 2, and their claims are fair only until then (domain/load/fair-tag.ts).
 *
 * Small batches do not come before all others, as they do at the encoders: a host may take them for longer than they take to come, and a
 * large batch would be kept from it for as long as there are some.
 */
export function createWaiters(): Waiters {
  /** By batch, the one whose turn is next first. Only those of which any wait, so that it takes no more room than they do. */
  const byBatch = new Map<string, Set<Waiter>>();
  let count = 0;
  const remove = (batchId: string, waiter: Waiter) => {
    const ofBatch = byBatch.get(batchId);
    if (ofBatch?.delete(waiter) !== true) return;
    count -= 1;
    if (ofBatch.size === 0) byBatch.delete(batchId);
  };
  return {
    get count() {
      return count;
    },
    add(batchId, waiter) {
      const ofBatch = byBatch.get(batchId);
      if (ofBatch) ofBatch.add(waiter);
      else byBatch.set(batchId, new Set([waiter]));
      count += 1;
    },
    remove,
    admitNext() {
      for (const [batchId, ofBatch] of byBatch) {
        const [waiter] = ofBatch;
        if (waiter) remove(batchId, waiter);
        if (ofBatch.size > 0) {
          byBatch.delete(batchId);
          byBatch.set(batchId, ofBatch);
        }
        return waiter?.admit();
      }
    },
    turnAway(many, reasonOf) {
      if (many <= 0) return;
      const lines = [...byBatch].map(([batchId, ofBatch]) => ({ batchId, rest: [...ofBatch].filter(({ isPatient }) => !isPatient) }));
      for (let left = many; left > 0; left -= 1) {
        const longest = lines.reduce((one, other) => (other.rest.length > one.rest.length ? other : one), { batchId: "", rest: [] });
        const waiter = longest.rest.pop();
        if (!waiter) return;
        remove(longest.batchId, waiter);
        waiter.turnAway(reasonOf());
      }
    },
  };
}
