import { setTimeout as delay } from "node:timers/promises";

/** Looks until there is an answer; throws with `what` it waited for when there is none in time. */
export async function eventually<T>(what: string, look: () => Promise<T | null | undefined | false>, withinMs = 30_000): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
    await delay(25);
  }
}
