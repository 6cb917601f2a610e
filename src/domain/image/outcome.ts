import { IMAGE_ATTEMPTS_MAX, imageRetryDelayMs } from "../load/backoff.ts";
import type { StageFailure } from "./stage-result.ts";

/**
 * What an attempt at an image returned. `release` is no attempt at all: the image goes back as it was, due after `delayMs`, because this
 * process is stopping, its disk is full, its network or database was away, its batch or share was paused meanwhile, or the host is paused or has just
 * asked for a pause.
 */
export type Outcome<Done> =
  | { kind: "done"; result: Done }
  | { kind: "retry"; failure: StageFailure; delayMs: number }
  | { kind: "give_up"; failure: StageFailure }
  | Release;
/** `askedSince`: when the image's host first asked for patience, in ms since 1970 by the database's clock; absent where it did not ask. */
export type Release = { kind: "release"; delayMs: number; askedSince?: number };

/** A failure that can pass is retried, later each time, until the attempts are used up. `attempt` counts from 1. */
export function decideAfterFailure(failure: StageFailure, attempt: number, random: number): Outcome<never> {
  if (!failure.retry || attempt >= IMAGE_ATTEMPTS_MAX) return { kind: "give_up", failure };
  return { kind: "retry", failure, delayMs: imageRetryDelayMs(attempt, random, failure.retryAfterMs) };
}
