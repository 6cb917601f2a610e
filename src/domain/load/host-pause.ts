import type { ImageCode } from "../image/image-code.ts";
import { failureOf, type StageFailure } from "../image/stage-result.ts";
import { UNNAMED_PAUSE_MS } from "./unnamed-pauses.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** A name has at most 253 characters, and a port with its colon six. Anything longer is no host, and is kept in no table. */
export const HOST_LENGTH_MAX = 260;

/** The longest pause that a host can ask for at once. */
const ASKED_PAUSE_MS_MAX = 10 * MINUTE;
/**
 * For how long an image whose host asks for patience loses no attempt by it: where a host answers two requests a second, every
 * image is refused now and then. After that each refusal counts, so that an image that is refused while others come ends too.
 */
export const PATIENCE_MS = 15 * MINUTE;

/**
 * So many failures in a row, with no answer between, pause a host: more than a host that works has by chance, and fewer than
 * the 32 downloads that it has at once at first, so that one burst is enough. A server that restarts is paused too, which costs
 * its images half a minute but no attempt.
 */
export const FAILURES_MAX = 20;
/**
 * The first pause of a host that fails; each that follows without an answer between is twice as long, up to the longest. Where
 * the trial after the fifth (30 + 60 + 120 + 240 + 480 s, 15.5 minutes) fails too, which is the sixth strike, the host's images
 * are given up, so that a batch of a dead host ends: those of each batch once an image of it has failed there too (trial-turns.ts). From then
 * on one image every ten minutes, and one of each further batch, tries whether the host is back.
 */
export const STRIKE_PAUSE_MS = 30 * SECOND;
export const STRIKE_PAUSE_MS_MAX = 10 * MINUTE;
export const STRIKES_MAX = 6;
/** Of a host that was given up for a failure that no waiting mends. */
export const CONFIRMED_PAUSE_MS = MINUTE;
/** No pause of a host is longer, whatever the reason. */
export const LONGEST_PAUSE_MS = Math.max(ASKED_PAUSE_MS_MAX, STRIKE_PAUSE_MS_MAX);
/**
 * A host that asks for patience again and again, and gives nothing in between, gets a strike every two and a half minutes: six
 * are a quarter of an hour as well, however short the pauses that it asks for.
 */
export const ASKED_STRIKE_MS = (15 * MINUTE) / STRIKES_MAX;
/** A pause that no image has met for so long is forgotten, with its strikes. Longer than the longest pause. */
export const PAUSE_FRESH_MS = 30 * MINUTE;

/** After a pause one image tries the host; others try too where that one has not come back by then. */
export const TRIAL_MS = 10 * SECOND;
/**
 * In the pause of a host that is given up, a batch waits for its trial to end: longer than a mute host takes to fail (40 s). Most fail at once:
 * how it ended is looked for after a second, and so is whether fewer batches than may at once are trying it.
 */
export const LAST_TRIAL_MS = 60 * SECOND;
export const LAST_TRIAL_LOOK_MS = SECOND;
/**
 * Images of a paused host come back one after the other, 200 a second from each process: all at once would fall upon
 * the host together, and, were it paused again, cost a transaction each time. Beyond half a minute they do come together.
 */
const RETURN_STEP_MS = 5;
const RETURN_SPREAD_MS_MAX = 30 * SECOND;

/** `patienceMs`: for how long an image whose host asks loses no attempt by it. */
export type HostDid = { kind: "asked"; pauseMs: number; patienceMs: number } | { kind: "busy" | "failed" | "answered" | "unknown" };

/**
 * What a failure says of its host: that it asked for a pause, failed or answered; `busy` where what else it answered has to tell which of
 * them (host-answers.ts); `unknown` where it says nothing.
 */
export function whatHostDid(failure: StageFailure): HostDid {
  if (failure.code === "rate_limited" || (failure.code === "server_error" && failure.retryAfterMs !== undefined)) {
    return { kind: "asked", pauseMs: Math.min(failure.retryAfterMs || UNNAMED_PAUSE_MS, ASKED_PAUSE_MS_MAX), patienceMs: PATIENCE_MS };
  }
  if (failure.isBusy === true) return { kind: "busy" };
  switch (failure.code) {
    case "connect_failed":
    case "timed_out":
    case "dns_failed":
    case "tls_failed":
    case "server_error":
      return { kind: "failed" };
    // The first two are our own; a connection that broke amid an answer shows neither that the host works nor that it fails.
    case "address_blocked":
    case "storage_failed":
    case "truncated":
      return { kind: "unknown" };
    default:
      return { kind: "answered" };
  }
}

/**
 * What the next strike is of a host that has `strikes`. A failure for which no image is tried again, such as a certificate that is not good,
 * passes by no waiting: where the trial after the pause has it too, half a minute later, that is the last strike. Whoever has mended
 * the host waits a minute for the next trial. A name that is not found is none of these: a resolver that has lost its own says so too.
 */
export function nextStrike(strikes: number, isConfirmed: boolean): { strikes: number; pauseMs: number } {
  if (!isConfirmed) return { strikes: strikes + 1, pauseMs: strikePauseMs(strikes + 1) };
  return { strikes: Math.max(strikes + 1, STRIKES_MAX), pauseMs: CONFIRMED_PAUSE_MS };
}

/**
 * Whether each batch tries the host with an image of its own before its others are given up. What a host answers may be about the paths of one
 * batch. A host that asked for its pause is not asked in it.
 */
export function triesEachBatch({ strikes, isAsked }: { strikes: number; isAsked: boolean }): boolean {
  return strikes >= STRIKES_MAX && !isAsked;
}

/** How long the pause of this strike is; strikes count from 1. */
export function strikePauseMs(strikes: number): number {
  return Math.min(STRIKE_PAUSE_MS * 2 ** (Math.max(strikes, 1) - 1), STRIKE_PAUSE_MS_MAX);
}

/**
 * After how long an image of a paused host comes back. `place` counts the images that this process gave back in this pause,
 * from 0; `random` is in [0, 1). Where the host has failed, the first image comes alone, and the others after the time that it
 * may need for an answer.
 */
export function returnDelayMs({
  remainingMs,
  place,
  strikes,
  random,
}: {
  remainingMs: number;
  place: number;
  strikes: number;
  random: number;
}): number {
  const grace = strikes > 0 && place > 0 ? TRIAL_MS / 2 : 0;
  const spread = place === 0 ? (random * SECOND) / 10 : Math.min(place * RETURN_STEP_MS, RETURN_SPREAD_MS_MAX) + random * SECOND;
  return Math.ceil(Math.max(remainingMs, 0) + grace + spread);
}

/**
 * The failure of an image whose host is not even asked any more. The same batch may have images that the host gave before, and then it may
 * be these that it never gives.
 */
export function givenUpHost(host: string, code: ImageCode): StageFailure {
  if (code === "tls_failed") {
    const detail = `The TLS connection to the host ${host} has failed again and again, for half a minute or more; its other images are given up until one of them comes. Try them again when its certificate or its settings are mended.`;
    return failureOf(code, detail, { retry: false });
  }
  return failureOf(
    code,
    `Whatever we asked the host ${host} for has failed for 15 minutes or more; its other images are given up until one of them comes. Try them again when the host is back, and look at them where it gave others.`,
    { retry: false },
  );
}
