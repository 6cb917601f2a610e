import type { EncoderProcess } from "./encoder-process.ts";

/** Times are by performance.now(). */
export type Watched = {
  process: EncoderProcess;
  /** It has begun a task. */
  readonly isRunning: boolean;
  /** And that is a drawing. */
  readonly isDrawing: boolean;
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
  /** Deadline of one task, from when it is first looked at. What it waits for a core, because others keep them busy, does not count. */
  taskMs: number;
  /** The same of a drawing, that of others unless told: a few bytes of it can ask for hours, and no header says so. */
  drawingMs?: number;
  /** Resident memory of one encoder. */
  memoryBytesMax: number;
};

const WATCH_MS = 250;
const START_MS = 60_000;
/**
 * No encoder was seen to grow by more than 1.2 MB a ms (2 cores, pages of 4 kB). The next look at its memory comes before it could have used
 * up what is left, and one with less left than it takes in that time is ended: 512 MB are then not passed. A look costs 0.03 ms.
 */
const GROWTH_BYTES_PER_MS = 2 * 1024 * 1024;
const CLOSE_LOOK_MS = 4;
/** Between looks at an encoder that has begun meanwhile, and may hold much from before. */
const MEMORY_WATCH_MS = 100;
/** However long it waits for a core, a task has no more than so many times its deadline. */
const BY_THE_CLOCK = 10;

type Look = { at: number; waits: ReadonlyMap<string, number> };

/** Ends encoders that hang or grow. */
export function watchEncoders(encoders: () => Iterable<Watched>, limits: WatchLimits): { stop(): void } {
  /** The first look at each one's present task, from which its deadline counts. */
  const firstLooks = new WeakMap<Watched, Look & { startedAt: number }>();
  const looking = new WeakSet<Watched>();
  const condemnOverdue = async (encoder: Watched) => {
    const { startedAt } = encoder;
    const taskMs = deadlineMs(limits, encoder);
    const tookMs = performance.now() - startedAt;
    if (tookMs > BY_THE_CLOCK * taskMs) return condemn(encoder, "deadline");
    const known = firstLooks.get(encoder);
    const first = known?.startedAt === startedAt ? known : null;
    if (tookMs < WATCH_MS || looking.has(encoder) || (first !== null && performance.now() - first.at <= taskMs)) return;
    looking.add(encoder);
    const waits = await encoder.process.waits();
    const at = performance.now();
    looking.delete(encoder);
    if (!encoder.isRunning || encoder.startedAt !== startedAt) return;
    if (first === null) firstLooks.set(encoder, { startedAt, at, waits });
    else if (at - first.at - waitedMs(first, { waits }) > taskMs) condemn(encoder, "deadline");
  };
  const look = () => {
    for (const encoder of encoders()) {
      if (!encoder.isReady && performance.now() - encoder.bornAt > (limits.startMs ?? START_MS)) condemn(encoder, "start");
      if (!encoder.isRunning) continue;
      void condemnOverdue(encoder);
    }
  };
  const watch = setInterval(look, WATCH_MS);
  const memory = watchMemory(encoders, limits);
  return {
    stop() {
      clearInterval(watch);
      memory.stop();
    },
  };
}

function watchMemory(encoders: () => Iterable<Watched>, { memoryBytesMax }: WatchLimits): { stop(): void } {
  const look = () => {
    let nextMs = MEMORY_WATCH_MS;
    for (const encoder of encoders()) {
      const resident = encoder.isRunning ? encoder.process.residentBytes() : null;
      if (resident === null) continue;
      const againMs = nextLookMs(resident, memoryBytesMax);
      if (againMs === null) condemn(encoder, "memory");
      else nextMs = Math.min(nextMs, againMs);
    }
    next = setTimeout(look, nextMs);
  };
  let next = setTimeout(look, MEMORY_WATCH_MS);
  return { stop: () => clearTimeout(next) };
}

/** When an encoder of so much memory has to be looked at again, in ms; null where it has to end. */
export function nextLookMs(residentBytes: number, memoryBytesMax: number): number | null {
  const leftMs = (memoryBytesMax - residentBytes) / GROWTH_BYTES_PER_MS;
  return leftMs < CLOSE_LOOK_MS ? null : Math.min(MEMORY_WATCH_MS, leftMs);
}

export function deadlineMs({ taskMs, drawingMs = taskMs }: WatchLimits, { isDrawing }: Pick<Watched, "isDrawing">): number {
  return isDrawing ? drawingMs : taskMs;
}

export function condemn(encoder: Pick<Watched, "verdict" | "process">, verdict: string): void {
  encoder.verdict ??= verdict;
  encoder.process.kill();
}

/** Of all threads, which work on the image in turns. One that has ended meanwhile takes nothing away. */
function waitedMs(first: Pick<Look, "waits">, now: Pick<Look, "waits">): number {
  return [...now.waits].reduce((sum, [thread, ms]) => sum + Math.max(0, ms - (first.waits.get(thread) ?? 0)), 0);
}
