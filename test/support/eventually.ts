import { setTimeout as delay } from "node:timers/promises";

const PAUSE_MS_MIN = 25;
const PAUSE_MS_MAX = 100;

/** Looks until there is an answer; throws with `what` it waited for when there is none in time. */
export async function eventually<T>(what: string, look: () => Promise<T | null | undefined | false>, withinMs = 30_000): Promise<T> {
  const startedAt = performance.now();
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    const waitedMs = performance.now() - startedAt;
    if (waitedMs > withinMs) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
    // Each look takes CPU from what is waited for. What takes long is found a twentieth later at most.
    await delay(Math.min(Math.max(waitedMs / 20, PAUSE_MS_MIN), PAUSE_MS_MAX));
  }
}
