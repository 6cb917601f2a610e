import type { Log } from "../observe/log.ts";

export type DiskGuard = {
  /** As of the last look. */
  readonly hasRoom: boolean;
  /** Looks now. */
  check(): Promise<boolean>;
  stop(): void;
};

const LOOK_MS = 1_000;

/**
 * Watches the room for files. Below the reserve nothing new is claimed, so that the database beside them and the
 * uploads of others still have some; nor while nothing can be written. Work goes on by itself when there is room again.
 */
export function startDiskGuard(options: { freeBytes(): Promise<number>; freeBytesMin: number; log: Log }): DiskGuard {
  let hasRoom = true;
  const check = async () => {
    let err: unknown = null;
    const freeBytes = await options.freeBytes().catch((error: unknown) => ((err = error), 0));
    const now = freeBytes >= options.freeBytesMin;
    if (now !== hasRoom) {
      if (now) options.log.info({ freeBytes }, "the disk has room again, work goes on");
      else if (err !== null) options.log.error({ err }, "the disk cannot be written, nothing new is claimed");
      else options.log.error({ freeBytes, freeBytesMin: options.freeBytesMin }, "the disk is full, nothing new is claimed");
    }
    hasRoom = now;
    return now;
  };
  const timer = setInterval(() => void check(), LOOK_MS);
  return {
    get hasRoom() {
      return hasRoom;
    },
    check,
    stop: () => clearInterval(timer),
  };
}
