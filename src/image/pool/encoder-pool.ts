import { rm } from "node:fs/promises";
import { failed, type StageResult } from "../../domain/image/stage-result.ts";
import { outgrown, resultOf, timedOut, type Encoded } from "./encode-result.ts";
import type { EncodeTask } from "../encode/encode-task.ts";
import { startEncoderProcess } from "./encoder-process.ts";
import type { EncoderReply } from "./encoder.ts";
import { isLarge, TaskQueue, type Task } from "./task-queue.ts";
import { condemn, watchEncoders, type Watched, type WatchLimits } from "./watch-encoders.ts";

export type EncoderPoolOptions = WatchLimits & {
  size: number;
  pixelsMax: number;
  allowSvg: boolean;
  /** After how many tasks an encoder is replaced, so that what a library leaks stays small. */
  tasksMax: number;
  onLost(event: { pid: number; why: string }): void;
};

type Encoder = Watched & {
  /** In the order they were sent and are worked in: the first is running, once the process is ready. */
  tasks: Map<number, Task>;
  taken: number;
};

/**
 * One task runs and one waits in the pipe, so that an encoder never idles between two images. Behind a large one none waits there: it would
 * be out of reach for seconds, and better ones that come meanwhile would come after it.
 */
const IN_PIPE_MAX = 2;
/** What waits behind one that takes longer than this, though it is not large, goes to an encoder that has nothing to do. */
const LONG_MS = 500;
/** One more try on a fresh encoder: the crash can have been another image's fault. */
const CRASHES_MAX = 2;
const RESTART_MS = 500;
/** However long none could be started, one is tried at least so often. */
const RESTART_MS_MAX = 30_000;
/** Why an encoder ends that has done nothing wrong. */
const WORN = "worn";

/** A small pool of child processes: a crash, a hang or a leak in a codec costs one image, not the service. */
export class EncoderPool {
  readonly #options: EncoderPoolOptions;
  readonly #encoders = new Set<Encoder>();
  readonly #queue = new TaskQueue();
  readonly #watch: { stop(): void };
  readonly #takingBack: NodeJS.Timeout;
  #lastId = 0;
  #isClosed = false;
  #diedAtStart = 0;

  constructor(options: EncoderPoolOptions) {
    this.#options = options;
    for (let index = 0; index < options.size; index += 1) this.#start();
    this.#watch = watchEncoders(() => this.#encoders, options);
    this.#takingBack = setInterval(() => this.#takeBack(), LONG_MS);
  }

  get size(): number {
    return this.#options.size;
  }

  /** Encoders without anything to do. */
  get idle(): number {
    return [...this.#encoders].filter((encoder) => encoder.tasks.size === 0).length;
  }

  /** Encoders that have begun a task. */
  get running(): number {
    return [...this.#encoders].filter(({ isRunning }) => isRunning).length;
  }

  get waiting(): number {
    return this.#queue.length + [...this.#encoders].reduce((count, encoder) => count + Math.max(0, encoder.tasks.size - 1), 0);
  }

  get pids(): number[] {
    return [...this.#encoders].map((encoder) => encoder.process.pid);
  }

  /** The best priority waits the shortest; an abort takes a waiting task back and rejects with its reason. */
  encode(task: EncodeTask, { signal, priority }: { signal: AbortSignal; priority: number }): Promise<StageResult<Encoded>> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const onAbort = () => {
        waiting.isAborted = true;
        this.#queue.remove(waiting);
        reject(signal.reason);
      };
      const settle = (result: StageResult<Encoded>) => {
        signal.removeEventListener("abort", onAbort);
        resolve(result);
      };
      const waiting: Task = { ...task, priority, crashes: 0, room: "any", isAborted: false, resolve: settle };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#queue.add(waiting);
      this.#assign();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watch.stop();
    clearInterval(this.#takingBack);
    for (const encoder of this.#encoders) encoder.process.kill();
  }

  #start(): void {
    if (this.#isClosed) return;
    const encoder: Encoder = {
      tasks: new Map(),
      isReady: false,
      get isRunning() {
        return this.isReady && this.tasks.size > 0;
      },
      get isDrawing() {
        return [...this.tasks.values()][0]?.input.format === "svg";
      },
      bornAt: performance.now(),
      startedAt: 0,
      taken: 0,
      verdict: null,
      process: startEncoderProcess(this.#options, {
        reply: (reply) => this.#onReply(encoder, reply),
        exit: (why) => this.#onExit(encoder, why),
      }),
    };
    this.#encoders.add(encoder);
    this.#assign();
  }

  /** Breadth first: every encoder gets one task before any gets a second. */
  #assign(): void {
    for (let depth = 1; depth <= IN_PIPE_MAX; depth += 1) {
      for (const encoder of this.#encoders) {
        if (encoder.tasks.size >= depth || encoder.verdict !== null || encoder.taken >= this.#options.tasksMax) continue;
        if ([...encoder.tasks.values()].some(isLarge)) continue;
        const task = this.#queue.takeBest();
        if (!task) return;
        this.#give(encoder, task);
      }
    }
  }

  /** Of as many as can begin at once; each comes only once its encoder has said that it has not begun it. */
  #takeBack(): void {
    let idle = [...this.#encoders].filter(({ tasks, isReady, verdict }) => tasks.size === 0 && isReady && verdict === null).length;
    for (const { tasks, startedAt, process: encoder } of this.#encoders) {
      const [, behind] = tasks.keys();
      if (idle === 0) return;
      if (behind === undefined || performance.now() - startedAt < LONG_MS) continue;
      encoder.send({ handBack: behind });
      idle -= 1;
    }
  }

  #onHandedBack(encoder: Encoder, id: number): void {
    const task = encoder.tasks.get(id);
    encoder.tasks.delete(id);
    encoder.taken -= 1;
    if (task && !task.isAborted) this.#queue.addBack(task);
    this.#assign();
  }

  #give(encoder: Encoder, task: Task): void {
    const id = (this.#lastId += 1);
    encoder.taken += 1;
    if (encoder.tasks.size === 0) encoder.startedAt = performance.now();
    encoder.tasks.set(id, task);
    const { pixelsMax, memoryBytesMax } = this.#options;
    const limits = { pixelsMax, memoryBytesMax, isThrifty: task.room === "thrifty" };
    encoder.process.send({ id, task: { input: task.input, outputs: task.outputs }, limits, isForFresh: task.room !== "any" });
  }

  #onReply(encoder: Encoder, reply: EncoderReply): void {
    // Read after its end: its tasks have gone to others.
    if (!this.#encoders.has(encoder)) return;
    if ("handedBack" in reply) return this.#onHandedBack(encoder, reply.handedBack);
    encoder.startedAt = performance.now();
    if ("isReady" in reply) {
      encoder.isReady = true;
      this.#diedAtStart = 0;
      return;
    }
    // Its tasks go to a fresh one, once it is gone and writes no more.
    if ("kind" in reply && reply.kind === "worn") return condemn(encoder, WORN);
    const task = encoder.tasks.get(reply.id);
    encoder.tasks.delete(reply.id);
    // It was done at the last moment: what waits behind it has done nothing wrong either.
    if (encoder.verdict !== null) encoder.verdict = WORN;
    if (encoder.taken >= this.#options.tasksMax && encoder.tasks.size === 0) this.#retire(encoder);
    this.#assign();
    // An abort cannot reach into a running encoder: what it writes in the end goes at once.
    if (task?.isAborted) discardOutputs(task);
    else task?.resolve(resultOf(reply, task));
  }

  #retire(encoder: Encoder): void {
    this.#encoders.delete(encoder);
    encoder.process.kill();
    this.#start();
  }

  #onExit(encoder: Encoder, why: string): void {
    const wasRetired = !this.#encoders.delete(encoder);
    if (this.#isClosed || wasRetired) return;
    const isWorn = encoder.verdict === WORN;
    if (!isWorn) this.#options.onLost({ pid: encoder.process.pid, why: encoder.verdict ?? why });
    const [first, ...waiting] = encoder.tasks.values();
    // What waited in the pipe has done nothing: it goes back without losing a try.
    for (const task of waiting) if (!task.isAborted) this.#queue.addBack(task);
    if (first && encoder.isReady && !isWorn) this.#giveAnotherTry(first, encoder);
    else if (first && !first.isAborted) this.#queue.addBack(first);
    // One that dies before it is ready (sharp cannot be loaded, say) must not spin.
    this.#diedAtStart += encoder.isReady ? 0 : 1;
    if (this.#diedAtStart > 0) setTimeout(() => this.#start(), Math.min(RESTART_MS_MAX, RESTART_MS * this.#diedAtStart));
    else this.#start();
  }

  #giveAnotherTry(task: Task, { verdict, isDrawing, taken, tasks }: Encoder): void {
    if (task.isAborted) return discardOutputs(task);
    if (verdict === "memory") return this.#giveMoreRoom(task, { wasFresh: taken === tasks.size });
    const isLate = verdict === "deadline";
    if ((task.crashes += 1) < CRASHES_MAX && !(isLate && isDrawing)) this.#queue.addBack(task);
    else task.resolve(isLate ? timedOut(this.#options, { isDrawing }) : failed("encoder_crashed"));
  }

  /** Step by step, so that what an image becomes does not depend on what its first encoder had made before. */
  #giveMoreRoom(task: Task, { wasFresh }: { wasFresh: boolean }): void {
    if (task.room === "thrifty") return task.resolve(outgrown(task.input, this.#options.memoryBytesMax));
    task.room = wasFresh ? "thrifty" : "fresh";
    this.#queue.addBack(task);
  }
}

function discardOutputs(task: Task): void {
  for (const { path } of task.outputs) rm(path, { force: true }).catch(() => {});
}
