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
    const { freeBytes, ...fault } = await options.freeBytes().then(
      (bytes) => ({ freeBytes: bytes }),
      (err: unknown) => ({ freeBytes: 0, err }),
    );
    const now = freeBytes >= options.freeBytesMin;
    if (now !== hasRoom) {
      if (now) options.log.info({ freeBytes }, "the disk has room again, work goes on");
      else options.log.error({ freeBytes, freeBytesMin: options.freeBytesMin, ...fault }, "the disk is full, nothing new is claimed");
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
