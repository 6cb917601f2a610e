import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { parentPort, Worker } from "node:worker_threads";

type Reply<Output> = { ok: true; output: Output } | { ok: false; message: string; code: string | null };

/**
 * The size that a thread's young generation starts with: 8 MB, not the 1 MB that the process keeps for its downloads (see
 * bin/process-settings.js). Loading a million rows took 2.5 s of CPU with 8 MB, 3.4 s with 1 MB, and with 16 MB 3.2 s and 80 MB more
 * memory. Only heaps that are made after it is set heed it, and the main thread's is there already.
 */
const YOUNG_GENERATION = "--min-semi-space-size=8";

/** A thread's entry beside the file at `base`, with the extension of that: .ts in a checkout, .js in a package. */
export function threadEntry(base: string, name: string): URL {
  return new URL(`./${name}${base.endsWith(".ts") ? ".ts" : ".js"}`, base);
}

/** How long a thread that has nothing to do is kept for the next file, which then starts at once, with the code compiled. */
const IDLE_MS = 30_000;

/** How many inputs are out to threads that have neither answered nor ended. */
let atWork = 0;

export function threadsAtWork(): number {
  return atWork;
}

/** At most one for each entry, by the entry's address. */
const idle = new Map<string, { thread: Worker; expiry: NodeJS.Timeout }>();

/**
 * Runs an entry, which calls answerFromThread(); `input` and output are plain data, and an error comes back as its message and
 * code. Where the signal aborts, the thread is ended and the signal's reason thrown.
 */
export async function runInThread<Input, Output>(entry: URL, input: Input, signal?: AbortSignal): Promise<Output> {
  signal?.throwIfAborted();
  const thread = takeIdle(entry.href) ?? startThread(entry);
  const onAbort = () => void thread.terminate();
  signal?.addEventListener("abort", onAbort, { once: true });
  atWork += 1;
  try {
    thread.postMessage(input);
    const reply = await replyOf<Output>(thread);
    if (!signal?.aborted) keep(entry.href, thread);
    if (reply.ok) return reply.output;
    throw Object.assign(new Error(reply.message), reply.code === null ? {} : { code: reply.code });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    atWork -= 1;
    signal?.removeEventListener("abort", onAbort);
  }
}

function startThread(entry: URL): Worker {
  setFlagsFromString(YOUNG_GENERATION);
  const thread = new Worker(entry);
  // replyOf() hears of the error as well; without a listener that of an idle thread would end the process.
  thread.on("error", () => {});
  thread.once("exit", () => idle.get(entry.href)?.thread === thread && takeIdle(entry.href));
  return thread;
}

function takeIdle(entry: string): Worker | null {
  const found = idle.get(entry);
  if (!found) return null;
  idle.delete(entry);
  clearTimeout(found.expiry);
  found.thread.ref();
  return found.thread;
}

/** Keeps a thread for the next file, without keeping the process alive for it. */
function keep(entry: string, thread: Worker): void {
  if (idle.has(entry)) return void thread.terminate();
  thread.unref();
  const expiry = setTimeout(() => void takeIdle(entry)?.terminate(), IDLE_MS).unref();
  idle.set(entry, { thread, expiry });
}

async function replyOf<Output>(thread: Worker): Promise<Reply<Output>> {
  const over = new AbortController();
  const ended = once(thread, "exit", { signal: over.signal }).then(([code]) => {
    throw new Error(`the thread ended with ${code} before it answered`);
  });
  try {
    const [reply] = (await Promise.race([once(thread, "message", { signal: over.signal }), ended])) as [Reply<Output>];
    return reply;
  } finally {
    over.abort();
  }
}

/** The whole of a thread: does the work with each input that comes, one at a time, and answers. */
export function answerFromThread<Input, Output>(work: (input: Input) => Promise<Output>): void {
  parentPort?.on("message", async (input: Input) => {
    parentPort?.postMessage(await work(input).then((output): Reply<Output> => ({ ok: true, output }), describe));
  });
}

function describe(error: unknown): Reply<never> {
  const code = error instanceof Error && "code" in error ? String(error.code) : null;
  return { ok: false, message: error instanceof Error ? error.message : String(error), code };
}
