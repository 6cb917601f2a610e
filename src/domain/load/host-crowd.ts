import { createAverage } from "./average.ts";
import type { HostLimit } from "./host-limit.ts";
import type { HostPace } from "./host-pace.ts";

/** How many images may wait for a host here, by how soon it is done with those before them. All times are of a clock that only goes forward, in milliseconds. */
export type HostCrowd = {
  /** A first image is asked for, after none was. */
  onBegin(now: number): void;
  /** An image has come, or has not, so long after it was asked for. */
  onEnd(ms: number, now: number): void;
  mayWait(now: number): number;
  /** After how long one that is turned away now comes back: when most of those that wait have had their turn, and those that were turned away before it. */
  returnMs(now: number): number;
};

/** More would only wait here: each image that is turned away is two statements' part of work for the database. */
const WAIT_MS = 5_000;
/** By then a host may have become quicker, or others slower. */
const RETURN_MS_MAX = 30_000;
/** Those that come back at one time share a job. */
const RETURN_STEP_MS = 500;
/** Weight of a new time in its average. */
const NEW_WEIGHT = 1 / 16;

export function createHostCrowd(limit: Pick<HostLimit, "value">, pace: Pick<HostPace, "gapMs">): HostCrowd {
  const usual = createAverage(NEW_WEIGHT);
  /** Since when it has been done with none. */
  let quietSince = -Infinity;
  /** When all that was turned away has had its turn. */
  let nextAt = -Infinity;

  /** Between two images, by how long each takes, or by how long it has let us wait for one. */
  const turnMs = (now: number) => {
    const ms = Math.max(usual.value, now - quietSince);
    return pace.gapMs > 0 ? Math.max(pace.gapMs, ms) : ms / Math.floor(limit.value);
  };
  return {
    onBegin(now) {
      quietSince = now;
      // Whatever was turned away, it has nothing to do.
      nextAt = -Infinity;
    },
    onEnd(ms, now) {
      usual.add(ms);
      quietSince = now;
    },
    mayWait: (now) => Math.max(Math.floor(limit.value), Math.floor(WAIT_MS / turnMs(now))),
    returnMs(now) {
      nextAt = Math.max(nextAt, now + WAIT_MS / 2) + turnMs(now);
      // Beyond, they come back by and by, and not all at once.
      if (nextAt - now > RETURN_MS_MAX) nextAt = now + RETURN_MS_MAX / 2 + ((nextAt - now) % (RETURN_MS_MAX / 2));
      return Math.ceil((nextAt - now) / RETURN_STEP_MS) * RETURN_STEP_MS;
    },
  };
}
