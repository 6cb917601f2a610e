import type { EncoderProcess } from "./encoder-process.ts";

/** Times are by performance.now(). */
export type Watched = {
  process: EncoderProcess;
  /** It has begun a task. */
  readonly isRunning: boolean;
  isReady: boolean;
  bornAt: number;
  /** When it began its task. */
  startedAt: number;
  /** Why it was ended. */
  verdict: string | null;
};

export type WatchLimits = {
  /** From its start until it can take tasks, a minute unless told: loading libvips from a disk that hangs has no end. */
  startMs?: number;
  /** Deadline of one task. What it waits for a core, because others keep them busy, does not count. */
  taskMs: number;
  /** Resident memory of one encoder. */
  memoryBytesMax: number;
};

const WATCH_MS = 250;
const START_MS = 60_000;

/** Ends encoders that hang or grow. */
export function watchEncoders(encoders: () => Iterable<Watched>, limits: WatchLimits): { stop(): void } {
  /** The first look at each one's present task, from which its deadline counts. */
  const firstLooks = new WeakMap<Watched, { startedAt: number; at: number; waitedMs: number }>();
  const condemnOverdue = async (encoder: Watched) => {
    const { startedAt } = encoder;
    if (performance.now() - startedAt < WATCH_MS) return;
    const first = firstLooks.get(encoder);
    const waitedMs = await encoder.process.waitedMs();
    const at = performance.now();
    if (!encoder.isRunning || encoder.startedAt !== startedAt) return;
    if (first?.startedAt !== startedAt) firstLooks.set(encoder, { startedAt, at, waitedMs });
    else if (at - first.at - (waitedMs - first.waitedMs) > limits.taskMs) condemn(encoder, "deadline");
  };
  const condemnLarge = async (encoder: Watched) => {
    const resident = await encoder.process.residentBytes();
    if (resident !== null && resident > limits.memoryBytesMax) condemn(encoder, "memory");
  };
  const look = () => {
    for (const encoder of encoders()) {
      if (!encoder.isReady && performance.now() - encoder.bornAt > (limits.startMs ?? START_MS)) condemn(encoder, "start");
      if (!encoder.isRunning) continue;
      void condemnOverdue(encoder);
      void condemnLarge(encoder);
    }
  };
  const watch = setInterval(look, WATCH_MS);
  return { stop: () => clearInterval(watch) };
}

export function condemn(encoder: Pick<Watched, "verdict" | "process">, verdict: string): void {
  encoder.verdict ??= verdict;
  encoder.process.kill();
}
