const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Five attempts within some three minutes: a fault that has not passed by then will not pass soon, and the file can be uploaded again. */
export const IMAGE_ATTEMPTS_MAX = 5;
const IMAGE_DELAYS_MS = [2 * SECOND, 8 * SECOND, 30 * SECOND, 2 * MINUTE] as const;

/**
 * The schedule that Standard Webhooks recommends, 75 hours in all:
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
const DELIVERY_DELAYS_MS = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR] as const;
export const DELIVERY_ATTEMPTS_MAX = DELIVERY_DELAYS_MS.length + 1;

const OUTAGE_DELAY_MS_MIN = 5 * SECOND;

/** A server that asks us to wait longer than this is asked again after this nevertheless. */
export const IMAGE_RETRY_AFTER_MS_MAX = 10 * MINUTE;
export const DELIVERY_RETRY_AFTER_MS_MAX = 24 * HOUR;

/**
 * How long to wait after an attempt that failed. `attempt` counts from 1; `random` is in [0, 1). It is between half of
 * the step and the whole of it, so that what failed together does not come back together, and never shorter than the
 * server asked for (Retry-After), up to a cap.
 */
export function imageRetryDelayMs(attempt: number, random: number, retryAfterMs?: number): number {
  return delayMs(IMAGE_DELAYS_MS, attempt, random, Math.min(retryAfterMs ?? 0, IMAGE_RETRY_AFTER_MS_MAX));
}

/**
 * How long an image waits that cannot be had for a reason of our own, which has lasted for so long: as long again, and at most `mostMs`. Were
 * it always the shortest time, the same few would be tried for ever, and not those that could be had. In whole steps, so that images
 * of one job that come back at one time stay one job.
 */
export function outageDelayMs(lastedMs: number, mostMs: number): number {
  return Math.min(Math.max(1, Math.ceil(lastedMs / OUTAGE_DELAY_MS_MIN)) * OUTAGE_DELAY_MS_MIN, mostMs);
}

export function deliveryRetryDelayMs(attempt: number, random: number, retryAfterMs?: number): number {
  return delayMs(DELIVERY_DELAYS_MS, attempt, random, Math.min(retryAfterMs ?? 0, DELIVERY_RETRY_AFTER_MS_MAX));
}

function delayMs(steps: readonly number[], attempt: number, random: number, floorMs: number): number {
  const step = steps[Math.min(Math.max(attempt, 1), steps.length) - 1] ?? 0;
  return Math.round(Math.max(step * (0.5 + random / 2), floorMs + (floorMs > 0 ? random * SECOND : 0)));
}
