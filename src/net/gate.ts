/** Lets so many in at once; the others wait in the order in which they came. */
export type Gate = {
  /** Numbers below 1 let nobody in; of fractions the whole counts. */
  limit: number;
  readonly isEmpty: boolean;
  /** Null where there is room at once. Else rejects with the signal's reason, and who has left meanwhile is forgotten. */
  enter(signal: AbortSignal): Promise<void> | null;
  leave(): void;
};

type Waiter = { admit: () => void };

export function createGate(limit: number): Gate {
  const waiting = new Set<Waiter>();
  let inside = 0;

  const gate: Gate = {
    limit,
    get isEmpty() {
      return inside === 0 && waiting.size === 0;
    },
    enter(signal) {
      signal.throwIfAborted();
      if (inside >= Math.floor(gate.limit)) return waitForTurn(signal);
      inside += 1;
      return null;
    },
    leave() {
      inside -= 1;
      for (const waiter of waiting) {
        if (inside >= Math.floor(gate.limit)) return;
        waiting.delete(waiter);
        inside += 1;
        waiter.admit();
      }
    },
  };

  function waitForTurn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        waiting.delete(waiter);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        admit: () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      waiting.add(waiter);
    });
  }
  return gate;
}
