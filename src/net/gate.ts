/** Lets so many in at once; the others wait in the order in which they came. */
export type Gate = {
  /** Rounded down where it is a fraction. */
  limit: number;
  /** Nobody is inside, and nobody waits. */
  readonly isAtRest: boolean;
  /** Null where there is room at once, else resolves when there is. Rejects with the signal's reason, and waits no longer then. */
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
