/** Lets so many in at once; the others wait in the order in which they came. */
export type Gate = {
  /** Of fractions the whole counts. */
  limit: number;
  /** Nobody is inside, and nobody waits. */
  readonly isAtRest: boolean;
  /** Null where there is room at once. Else rejects with the signal's reason, and who was called off is forgotten. */
  enter(signal: AbortSignal): Promise<void> | null;
  leave(): void;
};

export function createGate(limit: number): Gate {
  const waiting = new Set<() => void>();
  let inside = 0;
  const gate: Gate = {
    limit,
    get isAtRest() {
      return inside === 0 && waiting.size === 0;
    },
    enter(signal) {
      signal.throwIfAborted();
      if (inside >= Math.floor(gate.limit)) return waitForTurn(waiting, signal);
      inside += 1;
      return null;
    },
    leave() {
      inside -= 1;
      for (const admit of waiting) {
        if (inside >= Math.floor(gate.limit)) return;
        waiting.delete(admit);
        inside += 1;
        admit();
      }
    },
  };
  return gate;
}

function waitForTurn(waiting: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const admit = () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    };
    const onAbort = () => {
      waiting.delete(admit);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    waiting.add(admit);
  });
}
