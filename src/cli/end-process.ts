import { setTimeout as delay } from "node:timers/promises";

/** Functions are compiled within a few milliseconds; to optimize a large one takes some tens. */
const COMPILERS_MS = 100;

/**
 * Ends the process once nothing of ours runs any more. V8 compiles in threads, which may wait until the main thread collects
 * garbage. Where process.exit() waits for them then, it waits for ever (https://github.com/nodejs/node/issues/54918, met once
 * when a service stopped). So they get a moment to end first, in which nothing gives them more to do.
 */
export async function endProcess(code: number): Promise<never> {
  await delay(COMPILERS_MS);
  process.exit(code);
}
