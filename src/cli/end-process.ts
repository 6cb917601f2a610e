import { setTimeout as delay } from "node:timers/promises";

/** A page of functions is compiled within a few milliseconds, a large one optimized within some tens. */
const COMPILERS_MS = 100;

/**
 * Ends the process once nothing of ours runs any more. V8 compiles in threads which may wait for a collection by the main
 * thread; process.exit() waits for them, and if that is now, for ever: https://github.com/nodejs/node/issues/54918, met once
 * when a service stopped. So they get a moment to end first, in which nobody gives them more to do.
 */
export async function endProcess(code: number): Promise<never> {
  await delay(COMPILERS_MS);
  process.exit(code);
}
