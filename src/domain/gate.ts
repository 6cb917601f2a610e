/** Lets so many in at once; the others wait in the order in which they came. */
export type Gate = {
  readonly inside: number;
  readonly isAwaited: boolean;
  /** Null where there is room at once, else resolves when there is. Rejects with the signal's reason, and waits no longer then. */
  enter(signal: AbortSignal): Promise<void> | null;
  leave(): void;
};

/** `limit` is asked for each time, and rounded down where it is a fraction. */
export function createGate(limit: () => number): Gate {
  const waiting = new Set<() => void>();
  let inside = 0;
  return {
    get inside() {
      return inside;
    },
    get isAwaited() {
      return waiting.size > 0;
    },
    enter(signal) {
      signal.throwIfAborted();
      if (inside >= Math.floor(limit())) return waitForTurn(waiting, signal);
      inside += 1;
      return null;
    },
    leave() {
      inside -= 1;
      for (const admit of waiting) {
        if (inside >= Math.floor(limit())) return;
        waiting.delete(admit);
        inside += 1;
        admit();
      }
    },
  };
}

/** The signal of who waits however long it takes. */
export const NEVER = new AbortController().signal;

/** Does the work inside, once there is room. Rejects as the work does, and without it with the reason of a signal that aborts before. */
export async function runInside<T>(gate: Gate, work: () => Promise<T>, signal: AbortSignal = NEVER): Promise<T> {
  await gate.enter(signal);
  try {
    return await work();
  } finally {
    gate.leave();
  }
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
