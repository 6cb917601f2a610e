import { forgetOldest } from "../forget-oldest.ts";
import type { StageFailure } from "../image/stage-result.ts";
import { UNNAMED_PAUSE_MS } from "./unnamed-pauses.ts";

/**
 * A 503 without Retry-After says that there is too much to do, and is what nginx's limit_req and limit_conn answer unless they are told to
 * say 429. It is also what a proxy says of a service that is down: for one path, or for all.
 */
type BusyMeaning = { kind: "failed" } | { kind: "asked"; pauseMs: number; patienceMs: number };

/** What hosts answered lately, in this process. All times are of a clock that only goes forward. */
type HostAnswers = {
  /** Any answer of a host that works, a 404 too. */
  onGiven(host: string, nowMs: number): void;
  /**
   * Whether it gave others while this one was waited for in vain. Where a host that serves five at once is asked for more, those five come, and of
   * the rest none: they fail in the same moment, with no answer between, though it gives all that it can.
   */
  gaveOthersMeanwhile(host: string, failure: Pick<StageFailure, "waitedMs">, nowMs: number): boolean;
  onBusy(host: string): void;
  /** A refusal that asks for patience in so many words (429, Retry-After). `isOfOne`: it was found to be for its image alone. */
  onAsked(host: string, refusal: Refusal, isOfOne: boolean, nowMs: number): void;
  /**
   * Whether such a refusal is for its image alone: one that was refused before, by a host that gives most others. Varnish answers each path
   * whose backend fails so. Of a host that was seen to do it, and refuses few, a 503 is for its image alone from the first time on; a 429 is
   * about us.
   * `pausedMs`: for how long since its last answer the host was not asked for anything.
   */
  isOfOneImage(host: string, refusal: Refusal, nowMs: number, pausedMs: number): boolean;
  /** An image was answered 503 for the first time. Whether its host is to be paused. */
  onFirstBusy(host: string): boolean;
  /**
   * The host asks for patience where it gives others meanwhile: the image waits. A host that gives nothing fails. So does one that was itself
   * not busy: an image of its own was led to another by a redirect.
   */
  whatBusyMeans(host: string, nowMs: number): BusyMeaning;
};

type Refusal = Pick<StageFailure, "code" | "isRefusedAgain" | "isTooSoon">;

/** So long after its last answer a host still counts as one that gives. Its strikes begin so much later where it is down. */
export const GIVING_MS = 60_000;
/** Weight of a new answer in the share of first 503s. */
const NEW_WEIGHT = 1 / 16;
/**
 * In the share of all refusals that ask for patience. One of an image that was refused before says less of its host: those that never come
 * are asked for again and again, several at once, and most of all when little else of a batch is left.
 */
const NEW_ASKED_WEIGHT = 1 / 64;
const AGAIN_WEIGHT = NEW_ASKED_WEIGHT / 4;
/**
 * Of a host that refuses more than this share of its latest answers too much was asked. Fewer are rather a path in ten that is broken. An
 * image counts the first time only: those of a broken path come back again and again, and would pause a host that gives all others.
 */
const BUSY_SHARE_MAX = 1 / 4;
/** Hosts that are known; beyond, the one that was met first begins anew. */
const HOSTS_MAX = 10_000;

/**
 * For how long an image that meets a 503 while others of its host come loses no attempt by it. Shorter than where a host asks for patience in
 * so many words, since it may be the one that never comes. With a third of all tries refused none is refused for so long; with more, as by a
 * limit of ten a second that takes no burst, some may be.
 */
const BUSY_PATIENCE_MS = 5 * 60_000;
const BUSY_DELAY_MS_MAX = 30_000;

/** For how long a host is known to refuse single images, as long as no more of its answers are refusals: a limit of requests refuses more. */
const SINGLES_MS = 10 * 60_000;
const SINGLES_SHARE_MAX = 1 / 16;

/** `busyShare`: of first 503s without Retry-After. `askedShare`: of all refusals that ask for patience. Both in its latest answers. */
type Known = { gaveAtMs: number; isBusy: boolean; busyShare: number; askedShare: number; refusesSinglesUntilMs: number };

export function createHostAnswers(): HostAnswers {
  const known = new Map<string, Known>();
  const of = (host: string): Known => {
    const found = known.get(host);
    if (found) return found;
    const nothing = { gaveAtMs: -Infinity, isBusy: false, busyShare: 0, askedShare: 0, refusesSinglesUntilMs: -Infinity };
    known.set(host, nothing);
    forgetOldest(known, HOSTS_MAX);
    return nothing;
  };
  return {
    onGiven(host, nowMs) {
      const answers = of(host);
      answers.gaveAtMs = nowMs;
      answers.busyShare -= answers.busyShare * NEW_WEIGHT;
      answers.askedShare -= answers.askedShare * NEW_ASKED_WEIGHT;
    },
    gaveOthersMeanwhile: (host, { waitedMs = -Infinity }, nowMs) => (known.get(host)?.gaveAtMs ?? -Infinity) >= nowMs - waitedMs,
    onBusy(host) {
      of(host).isBusy = true;
    },
    onAsked(host, { code, isRefusedAgain }, isOfOne, nowMs) {
      const answers = of(host);
      answers.askedShare += (1 - answers.askedShare) * (isRefusedAgain === true ? AGAIN_WEIGHT : NEW_ASKED_WEIGHT);
      if (isOfOne && isRefusedAgain === true && code !== "rate_limited") answers.refusesSinglesUntilMs = nowMs + SINGLES_MS;
    },
    isOfOneImage(host, { code, isRefusedAgain, isTooSoon }, nowMs, pausedMs) {
      const { gaveAtMs, askedShare, refusesSinglesUntilMs } = of(host);
      if (isTooSoon === true || nowMs - pausedMs - gaveAtMs > GIVING_MS || askedShare > BUSY_SHARE_MAX) return false;
      if (isRefusedAgain === true) return true;
      return code !== "rate_limited" && askedShare <= SINGLES_SHARE_MAX && nowMs < refusesSinglesUntilMs;
    },
    onFirstBusy(host) {
      const answers = of(host);
      answers.busyShare += (1 - answers.busyShare) * NEW_WEIGHT;
      return answers.busyShare > BUSY_SHARE_MAX;
    },
    whatBusyMeans(host, nowMs) {
      const { gaveAtMs, isBusy } = of(host);
      if (!isBusy || nowMs - gaveAtMs > GIVING_MS) return { kind: "failed" };
      return { kind: "asked", pauseMs: 0, patienceMs: BUSY_PATIENCE_MS };
    },
  };
}

/** How long an image waits that has met 503 for so long: some twenty tries in five minutes, where one every two seconds would be 150. */
export function busyDelayMs(waitedMs: number): number {
  return Math.min(Math.max(UNNAMED_PAUSE_MS, waitedMs / 4), BUSY_DELAY_MS_MAX);
}
