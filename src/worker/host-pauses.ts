import { setTimeout as delay } from "node:timers/promises";
import type { Executor } from "../db/connect.ts";
import { clearHostPause, listHostPauses, parseHostNews, pauseHost, strikeHost, type HostPause } from "../db/host-pauses.ts";
import { createHostAnswers } from "../domain/host-answers.ts";
import {
  FAILURES_MAX,
  givenUpHost,
  HOST_LENGTH_MAX,
  PAUSE_FRESH_MS,
  nextStrike,
  returnDelayMs,
  STRIKES_MAX,
  TRIAL_MS,
  whatHostDid,
  type HostDid,
} from "../domain/host-pause.ts";
import type { ImageCode } from "../domain/image-code.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { StageFailure } from "../domain/stage-result.ts";
import type { HostWatch } from "../net/host-watch.ts";

type HostPausesDeps = {
  executor: Executor;
  /** Milliseconds of a clock that only goes forward. */
  now: () => number;
  random: () => number;
  onError(error: unknown): void;
};

/** The floor under LISTEN. */
const POLL_MS = 5_000;
/** Hosts whose failures are counted; beyond, all counts begin anew. */
const FAILING_HOSTS_MAX = 10_000;
/** A pause that grows by less is not worth telling: thirty answers in flight say the same. */
const NEWS_MS = 250;
/** Between two readings: one of fifty thousand hosts takes 110 ms, and every host can send news meanwhile. */
const REST_MS = 250;

/**
 * `earlierMs`: how long the pauses were together that are over since its last answer. `hasFirst`: an image was told to come back before all
 * others.
 */
type Paused = {
  since: number;
  until: number;
  earlierMs: number;
  reason: ImageCode;
  strikes: number;
  givenBack: number;
  hasFirst: boolean;
  trialUntil: number;
};

/** Which hosts are left alone for now: what this process saw of them, and what the others told. */
export class HostPauses implements HostWatch {
  readonly #deps: HostPausesDeps;
  readonly #paused = new Map<string, Paused>();
  readonly #failures = new Map<string, number>();
  readonly #answers = createHostAnswers();
  readonly #saidOver = new Set<string>();
  #isReading = false;
  /** More news came while they were read. */
  #isStale = false;
  #isStopped = false;
  readonly #poll: NodeJS.Timeout;

  constructor(deps: HostPausesDeps) {
    this.#deps = deps;
    this.#poll = setInterval(() => this.#refresh(), POLL_MS);
  }

  isPaused(host: string): boolean {
    const known = this.#paused.get(host);
    return known !== undefined && known.until > this.#deps.now();
  }

  admits(host: string): boolean {
    const known = this.#paused.get(host);
    return known === undefined || timeToWait(known, this.#deps.now()) <= 0;
  }

  /**
   * What happens to an image of this host without a try at it; null where it is to be tried. One that `wasRefused` does not come back as the
   * first after a pause: were it the one that its host never gives, it would pause it again and again, and none of the others would come.
   */
  meet(host: string, { wasRefused } = { wasRefused: false }): Outcome<never> | null {
    const known = this.#paused.get(host);
    if (!known) return null;
    const remainingMs = timeToWait(known, this.#deps.now());
    if (remainingMs <= 0) return null;
    if (known.strikes >= STRIKES_MAX) return { kind: "give_up", failure: givenUpHost(host, known.reason) };
    const place = wasRefused || known.hasFirst ? known.givenBack + 1 : 0;
    const delayMs = returnDelayMs({ remainingMs, place, strikes: known.strikes, random: this.#deps.random() });
    known.givenBack += 1;
    known.hasFirst ||= !wasRefused;
    return { kind: "release", delayMs };
  }

  /** What this failure of an image of the host says of it, as its latest answers have it. */
  whatDid(host: string, failure: StageFailure): Exclude<HostDid, { kind: "busy" }> {
    const did = whatHostDid(failure);
    return did.kind === "busy" ? this.#answers.whatBusyMeans(host, this.#deps.now()) : did;
  }

  onSuccess(host: string): void {
    this.#answers.onGiven(host, this.#deps.now());
    this.#failures.delete(host);
    const known = this.#paused.get(host);
    if (!known) return;
    known.since = this.#deps.now();
    known.earlierMs = 0;
    if (known.until > this.#deps.now()) return;
    this.#paused.delete(host);
    this.#tell(clearHostPause(this.#deps.executor, host));
  }

  onFailure(host: string, failure: StageFailure): void {
    if (host.length > HOST_LENGTH_MAX) return;
    if (whatHostDid(failure).kind === "busy") this.#answers.onBusy(host);
    const did = this.whatDid(host, failure);
    if (did.kind === "asked") this.#onRefused(host, did.pauseMs, failure);
    else if (did.kind === "failed") this.#onFailed(host, failure);
    else if (did.kind === "answered") this.onSuccess(host);
  }

  isOfOneImage(host: string, failure: StageFailure): boolean {
    if (whatHostDid(failure).kind !== "asked") return false;
    const known = this.#paused.get(host);
    const now = this.#deps.now();
    return this.#answers.isOfOneImage(host, failure, now, known ? known.earlierMs + Math.min(known.until, now) - known.since : 0);
  }

  /** An image was answered 503 for the first time, by a host that gives others. */
  onFirstBusy(host: string, reason: ImageCode): void {
    this.#onAsked(host, this.#answers.onFirstBusy(host), reason);
  }

  /**
   * News from the database; null where some may have been missed. Whoever may connect to it can notify, a report user too:
   * only that there is news is believed, and what it is gets read from the table.
   */
  onNotify(payload: string | null): void {
    const news = payload === null ? null : parseHostNews(payload);
    if (payload !== null && news === null) return;
    if (news?.isOver) this.#saidOver.add(news.host);
    this.#refresh();
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#poll);
  }

  #onRefused(host: string, pauseMs: number, failure: StageFailure): void {
    // A 503 without Retry-After, of which onFirstBusy() is told.
    if (pauseMs === 0) return;
    const isOfOne = this.isOfOneImage(host, failure);
    this.#answers.onAsked(host, failure, isOfOne, this.#deps.now());
    if (!isOfOne) this.#onAsked(host, pauseMs, failure.code);
  }

  #onAsked(host: string, pauseMs: number, reason: ImageCode): void {
    const known = this.#paused.get(host);
    if (pauseMs <= 0 || (known && known.until > this.#deps.now() + pauseMs - NEWS_MS)) return;
    this.#apply({ host, remainingMs: pauseMs, reason, strikes: known?.strikes ?? 0 });
    this.#tell(pauseHost(this.#deps.executor, { host, pauseMs, reason }));
  }

  #onFailed(host: string, { code: reason, retry }: StageFailure): void {
    const known = this.#paused.get(host);
    // Begun before the pause; it is known already.
    if (known && known.until > this.#deps.now()) return;
    const count = (this.#failures.get(host) ?? 0) + 1;
    const isTrial = known !== undefined && known.strikes > 0;
    if (count < FAILURES_MAX && !isTrial) {
      if (this.#failures.size >= FAILING_HOSTS_MAX) this.#failures.clear();
      this.#failures.set(host, count);
      return;
    }
    this.#failures.delete(host);
    const isConfirmed = isTrial && !retry && known.reason === reason;
    const { strikes, pauseMs } = nextStrike(known?.strikes ?? 0, isConfirmed);
    this.#apply({ host, remainingMs: pauseMs, reason, strikes });
    this.#tell(strikeHost(this.#deps.executor, { host, reason, isConfirmed }));
  }

  #apply({ host, remainingMs, reason, strikes }: HostPause): void {
    const now = this.#deps.now();
    const until = now + remainingMs;
    const known = this.#paused.get(host);
    const isNew = !known || until > known.until + NEWS_MS;
    const isOver = known !== undefined && known.until <= now && until > now;
    this.#paused.set(host, {
      since: known && !isOver ? known.since : Math.min(now, until),
      earlierMs: (known?.earlierMs ?? 0) + (isOver ? known.until - known.since : 0),
      until: Math.max(until, known?.until ?? 0),
      reason,
      strikes,
      givenBack: isNew ? 0 : known.givenBack,
      hasFirst: !isNew && known.hasFirst,
      trialUntil: isNew ? 0 : known.trialUntil,
    });
  }

  #refresh(): void {
    if (this.#isReading) this.#isStale = true;
    else this.#tell(this.#read());
  }

  /** One reading at a time, however many news come, and however long the database takes. */
  async #read(): Promise<void> {
    this.#isReading = true;
    try {
      do {
        this.#isStale = false;
        await this.#load();
        if (this.#isStale) await delay(REST_MS, undefined, { ref: false });
      } while (this.#isStale && !this.#isStopped);
    } finally {
      this.#isReading = false;
    }
  }

  async #load(): Promise<void> {
    const over = [...this.#saidOver];
    this.#saidOver.clear();
    const rows = await listHostPauses(this.#deps.executor);
    const hosts = new Set(rows.map(({ host }) => host));
    // What another process has ended; our own that the database has not taken yet hold for their time.
    for (const [host, { until }] of this.#paused) if (!hosts.has(host) && until <= this.#deps.now()) this.#paused.delete(host);
    for (const host of over) if (!hosts.has(host)) this.#paused.delete(host);
    for (const row of rows) this.#apply(row);
  }

  #tell(telling: Promise<void>): void {
    telling.catch(this.#deps.onError);
  }
}

/** After the pause of a host that failed, one image at a time tries it; a host that had asked for its pause is asked as before. */
function timeToWait(known: Paused, nowMs: number): number {
  const isOver = known.until <= nowMs;
  if (!isOver) return known.until - nowMs;
  if (known.strikes === 0 || known.until < nowMs - PAUSE_FRESH_MS) return 0;
  if (known.trialUntil > nowMs) return known.trialUntil - nowMs;
  known.trialUntil = nowMs + TRIAL_MS;
  return 0;
}
