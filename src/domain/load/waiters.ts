/** Those that wait before a gate. */
export type Waiters = {
  readonly isAny: boolean;
  add(batchId: string, admit: () => void): void;
  /** It waits no longer. */
  remove(batchId: string, admit: () => void): void;
  /** Admits the one whose turn it is, where any waits. */
  admitNext(): void;
};

/**
 * Batches take turns, one of each, and those of one batch keep their order. First come, first served, ten images waited for all that
 * a large batch had in hand of the same slow host: 48 s instead of 2, and their claims are fair only until then (domain/load/fair-tag.ts).
 *
 * Small batches do not come before all others, as they do at the encoders: a host may take them for longer than they take to come, and a
 * large batch would be kept from it for as long as there are some.
 */
export function createWaiters(): Waiters {
  /** By batch, the one whose turn is next first. Only those of which any wait, so that it takes no more room than they do. */
  const byBatch = new Map<string, Set<() => void>>();
  return {
    get isAny() {
      return byBatch.size > 0;
    },
    add(batchId, admit) {
      const ofBatch = byBatch.get(batchId);
      if (ofBatch) ofBatch.add(admit);
      else byBatch.set(batchId, new Set([admit]));
    },
    remove(batchId, admit) {
      const ofBatch = byBatch.get(batchId);
      ofBatch?.delete(admit);
      if (ofBatch?.size === 0) byBatch.delete(batchId);
    },
    admitNext() {
      for (const [batchId, ofBatch] of byBatch) {
        const [admit] = ofBatch;
        if (admit) ofBatch.delete(admit);
        byBatch.delete(batchId);
        if (ofBatch.size > 0) byBatch.set(batchId, ofBatch);
        return admit?.();
      }
    },
  };
}
