import { failed, succeeded, type StageResult } from "../domain/stage-result.ts";
import type { EncodedOutput, EncodeTask } from "./encode.ts";
import { startEncoderProcess, type EncoderProcess } from "./encoder-process.ts";
import type { EncoderReply } from "./encoder.ts";

export type { EncodeTask } from "./encode.ts";
export type Encoded = { outputs: EncodedOutput[]; encodeMs: number };

export type EncoderPool = {
  /** The best priority waits the shortest; an abort takes a waiting task back and rejects with its reason. */
  encode(task: EncodeTask, options: { signal: AbortSignal; priority: number }): Promise<StageResult<Encoded>>;
  readonly size: number;
  /** Encoders without anything to do. */
  readonly idle: number;
  readonly waiting: number;
  readonly pids: number[];
  close(): Promise<void>;
};

export type EncoderPoolOptions = {
  size: number;
  pixelsMax: number;
  /** Deadline of one task, from the moment its encoder begins it. */
  taskMs: number;
  /** Resident memory of one encoder. */
  memoryBytesMax: number;
  /** An encoder is replaced after so many tasks, so that what a library leaks stays small. */
  tasksMax: number;
  onLost(event: { pid: number; why: string }): void;
};

type Task = EncodeTask & {
  priority: number;
  crashes: number;
  resolve(result: StageResult<Encoded>): void;
};
type Encoder = { process: EncoderProcess; tasks: Map<number, Task>; running: { id: number; startedAt: number } | null; taken: number; verdict: string | null };

/** One task runs and one waits in the pipe, so that an encoder never idles between two images. */
const IN_PIPE_MAX = 2;
/** One more try on a fresh encoder: the crash can have been another image's fault. */
const CRASHES_MAX = 2;
const WATCH_MS = 250;
const RESTART_MS = 500;

/** A small pool of child processes: a crash, a hang or a leak in a codec costs one image, not the service. */
export function createEncoderPool(options: EncoderPoolOptions): EncoderPool {
  const encoders = new Set<Encoder>();
  let queue: Task[] = [];
  let nextId = 1;
  let isClosed = false;
  let diedAtStart = 0;

  const start = () => {
    if (isClosed) return;
    const encoder: Encoder = {
      tasks: new Map(), running: null, taken: 0, verdict: null,
      process: startEncoderProcess({ reply: (reply) => onReply(encoder, reply), exit: (why) => onExit(encoder, why) }),
    };
    encoders.add(encoder);
    assign();
  };

  const assign = () => {
    // Breadth first: every encoder gets one task before any gets a second.
    for (let depth = 1; depth <= IN_PIPE_MAX; depth += 1) {
      for (const encoder of encoders) {
        if (encoder.tasks.size >= depth || encoder.verdict !== null || encoder.taken >= options.tasksMax) continue;
        const task = queue.shift();
        if (!task) return;
        const id = nextId;
        nextId += 1;
        encoder.taken += 1;
        encoder.tasks.set(id, task);
        encoder.process.send({ id, task: { inputPath: task.inputPath, outputs: task.outputs }, pixelsMax: options.pixelsMax });
      }
    }
  };

  const onReply = (encoder: Encoder, reply: EncoderReply) => {
    diedAtStart = 0;
    if (!("encodeMs" in reply)) {
      encoder.running = { id: reply.id, startedAt: performance.now() };
      return;
    }
    const task = encoder.tasks.get(reply.id);
    encoder.tasks.delete(reply.id);
    encoder.running = null;
    if (encoder.taken >= options.tasksMax && encoder.tasks.size === 0) retire(encoder);
    assign();
    task?.resolve(resultOf(reply));
  };

  const onExit = (encoder: Encoder, why: string) => {
    encoders.delete(encoder);
    if (isClosed) return;
    options.onLost({ pid: encoder.process.pid, why: encoder.verdict ?? why });
    for (const [id, task] of [...encoder.tasks].toReversed()) {
      // What waited in the pipe has done nothing: it goes back without losing a try.
      if (id === encoder.running?.id) giveAnotherTry(task, encoder.verdict);
      else queue.unshift(task);
    }
    diedAtStart += encoder.running ? 0 : 1;
    // One that dies before it ever begins (sharp cannot be loaded, say) must not spin.
    if (diedAtStart > 0) setTimeout(start, RESTART_MS * diedAtStart).unref();
    else start();
  };

  const giveAnotherTry = (task: Task, verdict: string | null) => {
    task.crashes += 1;
    if (task.crashes < CRASHES_MAX) queue.unshift(task);
    else task.resolve(verdict === "deadline" ? failed("encode_timed_out", `The image took longer than ${options.taskMs} ms to compress, twice.`) : failed("encoder_crashed"));
  };

  const retire = (encoder: Encoder) => {
    encoders.delete(encoder);
    encoder.process.kill();
    start();
  };

  const watch = setInterval(() => {
    for (const encoder of encoders) {
      if (encoder.running && performance.now() - encoder.running.startedAt > options.taskMs) condemn(encoder, "deadline");
      else if (encoder.running) void checkMemory(encoder);
    }
  }, WATCH_MS);
  const condemn = (encoder: Encoder, verdict: string) => {
    encoder.verdict ??= verdict;
    encoder.process.kill();
  };
  const checkMemory = async (encoder: Encoder) => {
    const resident = await encoder.process.residentBytes();
    if (resident !== null && resident > options.memoryBytesMax) condemn(encoder, "memory");
  };

  for (let index = 0; index < options.size; index += 1) start();

  return {
    size: options.size,
    get idle() {
      return [...encoders].filter((encoder) => encoder.tasks.size === 0).length;
    },
    get waiting() {
      return queue.length + [...encoders].reduce((count, encoder) => count + Math.max(0, encoder.tasks.size - 1), 0);
    },
    get pids() {
      return [...encoders].map((encoder) => encoder.process.pid);
    },
    encode(task, { signal, priority }) {
      return new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const waiting: Task = { ...task, priority, crashes: 0, resolve: (result) => {
          signal.removeEventListener("abort", onAbort);
          resolve(result);
        } };
        const onAbort = () => {
          queue = queue.filter((other) => other !== waiting);
          reject(signal.reason);
        };
        signal.addEventListener("abort", onAbort, { once: true });
        const before = queue.findIndex((other) => other.priority < priority);
        queue.splice(before === -1 ? queue.length : before, 0, waiting);
        assign();
      });
    },
    async close() {
      isClosed = true;
      clearInterval(watch);
      for (const encoder of encoders) encoder.process.kill();
    },
  };
}

function resultOf(reply: Extract<EncoderReply, { encodeMs: number }>): StageResult<Encoded> {
  if ("outputs" in reply) return succeeded({ outputs: reply.outputs, encodeMs: reply.encodeMs });
  if (reply.isDiskFault) return failed("storage_failed", "The compressed image could not be written.");
  return failed("corrupt_image", `The image is damaged and cannot be decoded (${reply.fault.replaceAll(/\s+/g, " ").replaceAll(/\/\S+/g, "…").slice(0, 160)}).`);
}
