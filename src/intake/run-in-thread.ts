import { setFlagsFromString } from "node:v8";
import { parentPort, Worker, workerData } from "node:worker_threads";

type Reply<Output> = { ok: true; output: Output } | { ok: false; message: string; code: string | null };

/**
 * A thread's young generation, from its start: 8 MB and not the 1 MB that the process keeps for its downloads (see
 * bin/pressrun.js). Loading a million rows took 2.5 s of CPU instead of 3.4, with 16 MB 3.2 and 80 MB more memory. Only
 * heaps that are made from now on heed it, and the main thread's is there already.
 */
const YOUNG_GENERATION = "--min-semi-space-size=8";

/** A thread's entry beside the file at `base`, with its extension: .ts in a checkout, .js in a package. */
export function threadEntry(base: string, name: string): URL {
  return new URL(`./${name}${base.endsWith(".ts") ? ".ts" : ".js"}`, base);
}

/**
 * Runs an entry that ends with answerFromThread(); `input` and what comes back are plain data. An error comes back
 * with its message and code. Where the signal aborts the thread is ended and its reason thrown.
 */
export async function runInThread<Input, Output>(entry: URL, input: Input, signal?: AbortSignal): Promise<Output> {
  signal?.throwIfAborted();
  setFlagsFromString(YOUNG_GENERATION);
  const thread = new Worker(entry, { workerData: input });
  const onAbort = () => void thread.terminate();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const reply = await replyOf<Output>(thread);
    if (reply.ok) return reply.output;
    throw Object.assign(new Error(reply.message), reply.code === null ? {} : { code: reply.code });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

function replyOf<Output>(thread: Worker): Promise<Reply<Output>> {
  return new Promise((resolve, reject) => {
    thread.once("message", resolve);
    thread.once("error", reject);
    thread.once("exit", (code) => reject(new Error(`the thread ended with ${code} before it answered`)));
  });
}

/** The whole of a thread: does the work with the input that came, and answers. */
export async function answerFromThread<Input, Output>(work: (input: Input) => Promise<Output>): Promise<void> {
  parentPort?.postMessage(await work(workerData as Input).then((output): Reply<Output> => ({ ok: true, output }), describe));
}

function describe(error: unknown): Reply<never> {
  const code = error instanceof Error && "code" in error ? String(error.code) : null;
  return { ok: false, message: error instanceof Error ? error.message : String(error), code };
}
