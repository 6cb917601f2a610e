/**
 * A 503 without Retry-After says that there is too much to do, and is what nginx's limit_req and limit_conn answer unless they are told to
 * say 429. It is also what a proxy says of a service that is down: for one path, or for all.
 */
export type BusyMeaning = { kind: "failed" } | { kind: "asked"; pauseMs: number; patienceMs: number };

/** What hosts answered lately, in this process. All times are of a clock that only goes forward. */
export type HostAnswers = {
  /** Any answer of a host that works, a 404 too. */
  onGiven(host: string, nowMs: number): void;
  onBusy(host: string): void;
  /** An image was answered 503 for the first time. For how long its host is to be paused. */
  onFirstBusy(host: string): number;
  /**
   * The host asks for patience where it gives others meanwhile: the image waits. A host that gives nothing fails. So does one that was itself
   * not busy: an image of its own was led to another by a redirect.
   */
  whatBusyMeans(host: string, nowMs: number): BusyMeaning;
};

/** So long after its last answer a host still counts as one that gives. Its strikes begin so much later where it is down. */
const GIVING_MS = 60_000;
/** Weight of a new answer in the share of refusals. */
const NEW_WEIGHT = 1 / 16;
/**
 * Of a host that refuses more than this share of its latest answers too much was asked. Fewer are rather a path in ten that is broken. An
 * image counts the first time only: those of a broken path come back again and again, and would pause a host that gives all others.
 */
const BUSY_SHARE_MAX = 1 / 4;
/** Hosts that are known; beyond, all begin anew. */
const HOSTS_MAX = 10_000;

/** As long as after a 429 that names no time. */
const BUSY_PAUSE_MS = 2_000;
/**
 * For how long an image that meets a 503 while others of its host come loses no attempt by it. Shorter than where a host asks for patience in
 * so many words, since it may be the one that never comes. With a third of all tries refused, as at ten a second, none is refused for so long.
 */
const BUSY_PATIENCE_MS = 5 * 60_000;
const BUSY_DELAY_MS_MAX = 30_000;

type Known = { gaveAtMs: number; isBusy: boolean; busyShare: number };

export function createHostAnswers(): HostAnswers {
  const known = new Map<string, Known>();
  const of = (host: string): Known => {
    const found = known.get(host);
    if (found) return found;
    if (known.size >= HOSTS_MAX) known.clear();
    const nothing = { gaveAtMs: -Infinity, isBusy: false, busyShare: 0 };
    known.set(host, nothing);
    return nothing;
  };
  return {
    onGiven(host, nowMs) {
      const answers = of(host);
      answers.gaveAtMs = nowMs;
      answers.busyShare -= answers.busyShare * NEW_WEIGHT;
    },
    onBusy(host) {
      of(host).isBusy = true;
    },
    onFirstBusy(host) {
      const answers = of(host);
      answers.busyShare += (1 - answers.busyShare) * NEW_WEIGHT;
      return answers.busyShare > BUSY_SHARE_MAX ? BUSY_PAUSE_MS : 0;
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
  return Math.min(Math.max(BUSY_PAUSE_MS, waitedMs / 4), BUSY_DELAY_MS_MAX);
}
