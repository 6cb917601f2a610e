import { forgetOldest } from "../forget-oldest.ts";

/** For how long hosts are left alone that ask for patience and do not say for how long (a 429 or 503 without Retry-After), in this process. */
type UnnamedPauses = {
  /** The host has given something. */
  onGiven(host: string): void;
  /** It asks again. In a pause that is on, others that were asked for before it say the same. In milliseconds. */
  next(host: string, isPaused: boolean): number;
};

/** As long as the first step of an image's own retries. */
export const UNNAMED_PAUSE_MS = 2_000;
const UNNAMED_PAUSE_MS_MIN = 250;
/** Hosts that are known; beyond, the one that asked first begins anew. */
const HOSTS_MAX = 10_000;

/**
 * A limit of ten requests a second has a place again after a tenth of one, and gives one image for each pause: with two seconds each, a
 * twentieth of what it would. So a pause is half as long as the one before where the host gave something since, and twice as long where
 * it gave nothing, up to two seconds.
 */
export function createUnnamedPauses(): UnnamedPauses {
  const known = new Map<string, { ms: number; hasGiven: boolean }>();
  return {
    onGiven(host) {
      const last = known.get(host);
      if (last) last.hasGiven = true;
    },
    next(host, isPaused) {
      const last = known.get(host);
      if (last && isPaused) return last.ms;
      const ms = last
        ? Math.min(Math.max(last.hasGiven ? last.ms / 2 : last.ms * 2, UNNAMED_PAUSE_MS_MIN), UNNAMED_PAUSE_MS)
        : UNNAMED_PAUSE_MS;
      known.set(host, { ms, hasGiven: false });
      forgetOldest(known, HOSTS_MAX);
      return ms;
    },
  };
}
