import { setTimeout as delay } from "node:timers/promises";

/** Functions are compiled within a few milliseconds; to optimize a large one takes some tens. */
const COMPILERS_MS = 100;
/** So long a file may still be removed, say. */
const DISK_MS = 1_000;

/**
 * Ends the process once nothing of ours runs any more. V8 compiles in threads, which may wait until the main thread collects
 * garbage. Where process.exit() waits for them then, it waits for ever (https://github.com/nodejs/node/issues/54918, met once
 * when a service stopped). So they get a moment to end first, in which nothing gives them more to do.
 *
 * It also waits for threads that ask the disk. Of a mount whose server is away they may never get an answer: then the process is killed.
 */
export async function endProcess(code: number): Promise<never> {
  await delay(COMPILERS_MS);
  for (let waitedMs = 0; isDiskAsked() && waitedMs < DISK_MS; waitedMs += COMPILERS_MS) await delay(COMPILERS_MS);
  if (isDiskAsked()) process.kill(process.pid, "SIGKILL");
  process.exit(code);
}

/** Node's name for a call of node:fs that has not returned. */
function isDiskAsked(): boolean {
  return process.getActiveResourcesInfo().some((name) => name.startsWith("FSReq"));
}
