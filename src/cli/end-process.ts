import { setTimeout as delay } from "node:timers/promises";
import { threadsAtWork } from "../intake/run-in-thread.ts";

/** Functions are compiled within a few milliseconds; to optimize a large one takes some tens. */
const COMPILERS_MS = 100;
/** So long a file may still be removed, say. */
const DISK_MS = 1_000;
const MOMENT_MS = 300;
const LOOK_MS = 5;

/**
 * Ends the process once nothing of ours runs any more. V8 compiles in threads, which may wait until the main thread collects
 * garbage. Where process.exit() waits for them then, it waits for ever (https://github.com/nodejs/node/issues/54918, met once
 * when a service stopped). So they get a moment to end first, in which nothing gives them more to do.
 */
export async function endProcess(code: number): Promise<never> {
  await delay(COMPILERS_MS);
  for (let waitedMs = 0; isDiskAsked() && waitedMs < DISK_MS; waitedMs += COMPILERS_MS) await delay(COMPILERS_MS);
  exitNow(code);
}

/**
 * For who does not want to wait: at once, but for a moment in which what asks the disk may have its answer. A process that is killed has no
 * exit code of its own.
 */
export async function endAtOnce(code: number): Promise<never> {
  for (let waitedMs = 0; isDiskAsked() && waitedMs < MOMENT_MS; waitedMs += LOOK_MS) await delay(LOOK_MS);
  exitNow(code);
}

/**
 * Ends the process at once. process.exit() waits for threads that ask the disk, and of a mount whose server is away they may never get an
 * answer: where any asks, the process is killed, after all that listens for its exit.
 */
function exitNow(code: number): never {
  process.once("exit", () => isDiskAsked() && process.kill(process.pid, "SIGKILL"));
  process.exit(code);
}

/** By Node's names for calls of node:fs that have not returned. Those of other threads are not among them. */
function isDiskAsked(): boolean {
  return threadsAtWork() > 0 || process.getActiveResourcesInfo().some((name) => name.startsWith("FSReq") || name === "CloseReq");
}
