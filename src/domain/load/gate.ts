import { createWaiters, type Waiter, type Waiters } from "./waiters.ts";

/** Lets so many in at once; the others wait, by turns (domain/load/waiters.ts). */
export type Gate = {
  readonly inside: number;
  readonly waiting: number;
  /**
   * Null where there is room at once, else resolves when there is. Rejects with the signal's reason, and waits no longer then. Of the same
   * `batchId`, as of none, they come in the order in which they came here. Who `isPatient` is not turned away.
   */
  enter(signal: AbortSignal, batchId?: string, isPatient?: boolean): Promise<void> | null;
  leave(): void;
  /** So many of those that wait do so no longer: they reject with what `reasonOf` gives for each. */
  turnAway(count: number, reasonOf: () => unknown): void;
};

/** `limit` is asked for each time, and rounded down where it is a fraction. */
export function createGate(limit: () => number): Gate {
  const waiting = createWaiters();
  let inside = 0;
  return {
    get inside() {
      return inside;
    },
    get waiting() {
      return waiting.count;
    },
    enter(signal, batchId = NO_BATCH, isPatient = false) {
      signal.throwIfAborted();
      if (inside >= Math.floor(limit())) return waitForTurn(waiting, { batchId, isPatient }, signal);
      inside += 1;
      return null;
    },
    leave() {
      inside -= 1;
      while (waiting.count > 0 && inside < Math.floor(limit())) {
        inside += 1;
        waiting.admitNext();
      }
    },
    turnAway: waiting.turnAway,
  };
}

/** What belongs to no batch shares its turns. */
const NO_BATCH = "";

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

function waitForTurn(
  waiting: Waiters,
  { batchId, isPatient }: { batchId: string; isPatient: boolean },
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const waiter: Waiter = {
      isPatient,
      admit() {
        signal.removeEventListener("abort", onAbort);
        resolve();
      },
      turnAway(reason) {
        signal.removeEventListener("abort", onAbort);
        reject(reason);
      },
    };
    const onAbort = () => {
      waiting.remove(batchId, waiter);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    waiting.add(batchId, waiter);
  });
}
