import { outageDelayMs } from "../../domain/load/backoff.ts";
import { createDiskLoad, type DiskLoad } from "../../domain/load/disk-load.ts";
import { createCalmWarn } from "../../observe/calm-warn.ts";
import type { Log } from "../../observe/log.ts";
import { answerInTime } from "../../storage/answer-in-time.ts";

export type DiskGuard = Pick<DiskLoad, "begin"> & {
  /** How many images may be claimed now. */
  claimMax(): number;
  /** For an image that is given back for want of room: after how long it is tried again, by whoever has some. */
  retryMs(image: { batchId: string; ordinal: number }): number;
  /** As retryMs, for one whose files the system had no room for, as `detail` says, whatever a look at the disk shows. Meanwhile little is claimed. */
  refusedMs(image: { batchId: string; ordinal: number }, detail: string): number;
  /** A file was stored: the system has room for some, so that no more is held up than what it refused. */
  onStored(): void;
  /** Looks now, whatever a look that began earlier may find. Whether the reserve is free, and has been for some seconds: a file that failed may have failed before. */
  check(): Promise<boolean>;
  /** An image is given up whose files could not be stored, although the reserve was free. */
  onGivenUp(detail: string): void;
  stop(): void;
};

const LOOK_MS = 1_000;
/** From a file that fails to the look that judges it, on a machine that is busy. */
const JUDGED_MS = 5_000;
/** Where there is room for one image at most, its job of up to ten is claimed so long after one had to be given back. */
const TRIAL_MS = 5_000;
/**
 * An image waits for room for this part of the time for which some has been wanting. What others were promised and did not need is free
 * with the next look, so that it is tried again soon at first.
 */
const PATIENCE = 1 / 4;
/** Where hundreds have no room, those behind them are tried before the first ones are back. */
const RETRY_MS_MAX = 600_000;
/**
 * Where the system has no room for files though the disk shows some, as where a quota is used up, nothing is claimed for as long as the
 * image waits that met it, up to this, and then one job, unless one that is in hand finds room: each that is claimed may be downloaded in vain.
 */
const REFUSED_MS_MAX = 60_000;
/** So long after the last that was given back it is a new want of room. */
const FORGET_MS = 2 * RETRY_MS_MAX;

/**
 * Watches the room for files. No image comes that would eat into the reserve, so that the database beside them and the uploads of
 * others still have some; nor is one claimed while nothing can be written. Work goes on by itself when there is room again. Resolves
 * after the first look.
 */
export async function startDiskGuard(options: {
  freeBytes(): Promise<number>;
  freeBytesMin: number;
  now: () => number;
  log: Log;
}): Promise<DiskGuard> {
  const { freeBytesMin, now, log } = options;
  const load = createDiskLoad();
  // Hundreds of images meet the same disk.
  const warn = createCalmWarn({ log, isKnown: () => true });
  let hasRoom = true;
  let lastWantingAt = -Infinity;

  const { look, lookAnew } = createLooks(async () => {
    const onFound = load.onLook();
    const freeBytes = await options.freeBytes();
    onFound(freeBytes - freeBytesMin);
    return freeBytes;
  });
  const check = async (found: Promise<number>) => {
    let err: unknown = null;
    const freeBytes = await answerInTime(found).catch((error: unknown) => {
      err = error;
      load.onLook()(-freeBytesMin);
      return 0;
    });
    if (load.hasRoom !== hasRoom) {
      if (load.hasRoom) log.info({ freeBytes }, "the disk has room again, work goes on");
      else if (err !== null) log.error({ err }, "the disk cannot be written, nothing new is claimed");
      else log.error({ freeBytes, freeBytesMin }, "the disk is full, nothing new is claimed");
    }
    hasRoom = load.hasRoom;
    if (err !== null || freeBytes < freeBytesMin) lastWantingAt = now();
  };
  const waits = createWaits({ now, log, hasRoom: () => hasRoom });
  await check(look());
  const timer = setInterval(() => void check(look()), LOOK_MS);
  return {
    begin: load.begin,
    claimMax: () => waits.limit(load.claimMax),
    retryMs: waits.retryMs,
    refusedMs: waits.refusedMs,
    onStored: waits.onStored,
    async check() {
      await check(lookAnew());
      return now() - lastWantingAt >= JUDGED_MS;
    },
    onGivenUp: (detail) => warn(new Error(detail), "images were given up because their files could not be stored"),
    stop: () => clearInterval(timer),
  };
}

/** One at a time, since on a disk that hangs each takes a thread. */
function createLooks(lookNow: () => Promise<number>) {
  let looking: Promise<number> | null = null;
  let next: Promise<number> | null = null;
  const look = () => (looking ??= lookNow().finally(() => (looking = null)));
  return {
    look,
    /** What a look began to ask before a file failed says nothing of why. */
    lookAnew() {
      if (looking === null) return look();
      return (next ??= looking
        .catch(() => {})
        .then(() => {
          next = null;
          return look();
        }));
    },
  };
}

type Refused = { batchId: string; ordinal: number };

/** How long images wait that are given back for want of room, and what may be claimed meanwhile. */
function createWaits({ now, log, hasRoom }: { now: () => number; log: Log; hasRoom(): boolean }) {
  /** When images were given back for the first time, since they have been at all, and for the last. */
  let [firstAt, lastAt] = [-Infinity, -Infinity];
  let toldAt = -Infinity;
  let refusedUntil = -Infinity;
  let isOnTrial = false;
  const retryMs = ({ batchId, ordinal }: Refused, detail?: string) => {
    if (now() - lastAt >= FORGET_MS) firstAt = now();
    // It may be larger than all others, and wait alone.
    if (hasRoom() && now() - toldAt >= RETRY_MS_MAX) {
      log.warn({ batchId, ordinal, detail }, "an image waits until the disk has room for it");
      toldAt = now();
    }
    lastAt = now();
    return outageDelayMs((lastAt - firstAt) * PATIENCE, RETRY_MS_MAX);
  };
  return {
    retryMs: (image: Refused) => retryMs(image),
    refusedMs(image: Refused, detail: string) {
      const delayMs = retryMs(image, detail);
      refusedUntil = now() + Math.min(delayMs, REFUSED_MS_MAX);
      isOnTrial = true;
      return delayMs;
    },
    onStored() {
      refusedUntil = -Infinity;
      isOnTrial = false;
    },
    limit(claimMax: number) {
      const max = now() < refusedUntil ? 0 : Math.min(claimMax, isOnTrial ? 1 : Infinity);
      return max > 1 || now() - lastAt >= TRIAL_MS ? max : 0;
    },
  };
}
