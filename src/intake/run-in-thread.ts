import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { parentPort, Worker } from "node:worker_threads";

type Reply<Output> = { ok: true; output: Output } | { ok: false; message: string; code: string | null };

/**
 * A thread's young generation, from its start: 8 MB and not the 1 MB that the process keeps for its downloads (see
 * bin/process-settings.js). Loading a million rows took 2.5 s of CPU instead of 3.4, with 16 MB 3.2 and 80 MB more memory. Only
 * heaps that are made from now on heed it, and the main thread's is there already.
 */
const YOUNG_GENERATION = "--min-semi-space-size=8";

/** A thread's entry beside the file at `base`, with its extension: .ts in a checkout, .js in a package. */
export function threadEntry(base: string, name: string): URL {
  return new URL(`./${name}${base.endsWith(".ts") ? ".ts" : ".js"}`, base);
}

/** How long a thread that has nothing to do is kept for the next file: it is there at once, and its code compiled. */
const IDLE_MS = 30_000;

/** One for each entry at most, by its address. */
const idle = new Map<string, { thread: Worker; expiry: NodeJS.Timeout }>();

/**
 * Runs an entry that ends with answerFromThread(); `input` and what comes back are plain data. An error comes back
 * with its message and code. Where the signal aborts the thread is ended and its reason thrown.
 */
export async function runInThread<Input, Output>(entry: URL, input: Input, signal?: AbortSignal): Promise<Output> {
  signal?.throwIfAborted();
  const thread = takeIdle(entry.href) ?? startThread(entry);
  const onAbort = () => void thread.terminate();
  signal?.addEventListener("abort", onAbort, { once: true });
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
    signal?.removeEventListener("abort", onAbort);
  }
}

function startThread(entry: URL): Worker {
  setFlagsFromString(YOUNG_GENERATION);
  const thread = new Worker(entry);
  // Whoever waits for a thread hears of its error too; an idle one's would end the process.
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

/** For the next file; nothing waits for it. */
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
