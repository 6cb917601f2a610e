import { createDiskLoad, type Begun } from "../domain/disk-load.ts";
import type { Log } from "../observe/log.ts";

export type DiskGuard = {
  /** There is some as of the last look, and no image waits for it. */
  readonly hasRoom: boolean;
  /** Resolves once there is room for an image of so many files, its input and its outputs. Rejects with the signal's reason. */
  begin(files: number, signal: AbortSignal): Promise<Begun>;
  /** Looks now. */
  check(): Promise<boolean>;
  stop(): void;
};

const LOOK_MS = 1_000;

/**
 * Watches the room for files. No image is begun that would eat into the reserve, so that the database beside them and the
 * uploads of others still have some; nor while nothing can be written. Work goes on by itself when there is room again.
 */
export function startDiskGuard(options: {
  freeBytes(): Promise<number>;
  freeBytesMin: number;
  /** Of a download. */
  bytesMax: number;
  log: Log;
}): DiskGuard {
  const { freeBytesMin, log } = options;
  const load = createDiskLoad(options);
  /** In the order in which they came. */
  const waiting = new Map<(begun: Begun) => void, number>();
  let hasRoom = true;

  const admit = () => {
    for (const [enter, files] of waiting) {
      if (!load.hasRoomFor(files)) return;
      waiting.delete(enter);
      enter(begin(files));
    }
  };
  const begin = (files: number): Begun => {
    const begun = load.begin(files);
    const onBody = (bytes: number | null) => {
      const isAdmitted = begun.onBody(bytes);
      // It may be smaller than expected.
      admit();
      return isAdmitted;
    };
    return { ...begun, onBody };
  };
  const check = async () => {
    let err: unknown = null;
    const onFound = load.onLook();
    const freeBytes = await options.freeBytes().catch((error: unknown) => ((err = error), 0));
    onFound(freeBytes - freeBytesMin);
    admit();
    const now = freeBytes >= freeBytesMin && !(waiting.size > 0 && load.isAtRest);
    if (now !== hasRoom) {
      if (now) log.info({ freeBytes }, "the disk has room again, work goes on");
      else if (err !== null) log.error({ err }, "the disk cannot be written, nothing new is claimed");
      else log.error({ freeBytes, freeBytesMin }, "the disk is full, nothing new is claimed");
    }
    hasRoom = now;
    return now;
  };
  void check();
  const timer = setInterval(() => void check(), LOOK_MS);
  return {
    get hasRoom() {
      return hasRoom && waiting.size === 0;
    },
    async begin(files, signal) {
      signal.throwIfAborted();
      if (waiting.size === 0 && load.hasRoomFor(files)) return begin(files);
      return waitForRoom(waiting, files, signal);
    },
    check,
    stop: () => clearInterval(timer),
  };
}

function waitForRoom(waiting: Map<(begun: Begun) => void, number>, files: number, signal: AbortSignal): Promise<Begun> {
  return new Promise((resolve, reject) => {
    const enter = (begun: Begun) => {
      signal.removeEventListener("abort", onAbort);
      resolve(begun);
    };
    const onAbort = () => {
      waiting.delete(enter);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    waiting.set(enter, files);
  });
}
