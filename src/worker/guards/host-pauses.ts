import { setTimeout as delay } from "node:timers/promises";
import type { Executor } from "../../db/connection/connect.ts";
import { clearHostPause, listHostPauses, parseHostNews, pauseHost, strikeHost, type HostPause } from "../../db/host-pauses.ts";
import { pauseKey, type Asker } from "../../domain/load/asker.ts";
import { createFailuresInARow } from "../../domain/load/failures-in-a-row.ts";
import { createHostAnswers } from "../../domain/load/host-answers.ts";
import { HOST_LENGTH_MAX, nextStrike, triesEachBatch, whatHostDid, type HostDid } from "../../domain/load/host-pause.ts";
import { createUnnamedPauses } from "../../domain/load/unnamed-pauses.ts";
import type { Outcome } from "../../domain/image/outcome.ts";
import type { StageFailure } from "../../domain/image/stage-result.ts";
import { NO_WATCH, type HostWatch } from "../../net/host-watch.ts";
import { createBatchesApart } from "./batches-apart.ts";
import { mayTryInPause, meetPaused, NEWS_MS, timeToWait, withPause, type PausedHost, type Tries } from "./paused-host.ts";

type HostPausesDeps = {
  executor: Executor;
  /** Milliseconds of a clock that only goes forward. */
  now: () => number;
  random: () => number;
  onError(error: unknown): void;
};

/** The floor under LISTEN. */
const POLL_MS = 5_000;
/** Between two readings: one of fifty thousand hosts takes 110 ms, and every host can send news meanwhile. */
const REST_MS = 250;

const NOBODY: Asker = { batchId: "" };

/**
 * Which hosts are left alone for now: what this process saw of them, and what the others told. All that is known of a host is of those who show
 * it the same credentials: `key` is the host for these (domain/load/asker.ts).
 */
export class HostPauses {
  readonly #deps: HostPausesDeps;
  readonly #paused = new Map<string, PausedHost>();
  readonly #failures = createFailuresInARow();
  readonly #apart = createBatchesApart();
  readonly #answers = createHostAnswers();
  readonly #unnamed = createUnnamedPauses();
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

  /** What concerns a batch, or nobody, from whoever downloads for it. */
  of(asker = NOBODY): HostWatch {
    return {
      ...NO_WATCH,
      isPaused: (host) => this.isPaused(host, asker),
      admits: (host) => this.admits(host, asker),
      onSuccess: (host) => this.onSuccess(host, asker),
      onFailure: (host, failure) => this.onFailure(host, failure, asker),
      isOfOneImage: (host, failure) => this.isOfOneImage(host, failure, asker),
      of: (other) => this.of(other),
    };
  }

  isPaused(host: string, asker = NOBODY): boolean {
    const now = this.#deps.now();
    return this.#pausesOf(host, asker).some((known) => known.until > now && !mayTryInPause(known, asker.batchId));
  }

  admits(host: string, asker = NOBODY): boolean {
    const { batchId } = asker;
    const now = this.#deps.now();
    return this.#pausesOf(host, asker).every((known) => timeToWait(known, { batchId, rank: known.turns.rank(batchId, false) }, now) <= 0);
  }

  /** What happens to an image of this host without a try at it; null where it is to be tried. */
  meet(host: string, tries: Partial<Tries> = {}, asker = NOBODY): Outcome<never> | null {
    const image = { host, batchId: asker.batchId, wasRefused: false, wasTried: false, ...tries };
    const moment = { now: this.#deps.now(), random: this.#deps.random };
    for (const known of this.#pausesOf(host, asker)) {
      const met = meetPaused(known, image, moment);
      if (met) return met;
    }
    return null;
  }

  /** What this failure of an image of the host says of it, as its latest answers have it. */
  whatDid(host: string, failure: StageFailure, asker = NOBODY): Exclude<HostDid, { kind: "busy" }> {
    const did = whatHostDid(failure);
    return did.kind === "busy" ? this.#answers.whatBusyMeans(pauseKey(host, asker), this.#deps.now()) : did;
  }

  onSuccess(host: string, asker = NOBODY): void {
    const key = pauseKey(host, asker);
    this.#answers.onGiven(key, this.#deps.now());
    this.#unnamed.onGiven(key);
    this.#apart.onGiven(key, asker.batchId, this.#deps.now());
    this.#failures.onGiven(key);
    const known = this.#paused.get(key);
    if (!known) return;
    known.since = this.#deps.now();
    known.earlierMs = 0;
    if (known.until > this.#deps.now() && !triesEachBatch(known)) return;
    this.#paused.delete(key);
    this.#tell(clearHostPause(this.#deps.executor, key));
  }

  onFailure(host: string, failure: StageFailure, asker = NOBODY): void {
    if (host.length > HOST_LENGTH_MAX) return;
    if (whatHostDid(failure).kind === "busy") this.#answers.onBusy(pauseKey(host, asker));
    const did = this.whatDid(host, failure, asker);
    if (did.kind === "asked") this.#onRefused(host, did.pauseMs, failure, asker);
    else if (did.kind === "failed") this.#onFailed(pauseKey(host, asker), failure, asker);
    else if (did.kind === "answered") this.onSuccess(host, asker);
  }

  isOfOneImage(host: string, failure: StageFailure, asker = NOBODY): boolean {
    if (whatHostDid(failure).kind !== "asked") return false;
    const key = pauseKey(host, asker);
    const known = this.#paused.get(key);
    const now = this.#deps.now();
    return this.#answers.isOfOneImage(key, failure, now, known ? known.earlierMs + Math.min(known.until, now) - known.since : 0);
  }

  /** An image was answered 503 for the first time, by a host that gives others. */
  onFirstBusy(host: string, failure: StageFailure, asker = NOBODY): void {
    const key = pauseKey(host, asker);
    if (this.#answers.onFirstBusy(key)) this.#onAsked(key, null, failure, asker);
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

  #onRefused(host: string, pauseMs: number, failure: StageFailure, asker: Asker): void {
    // A 503 without Retry-After, of which onFirstBusy() is told.
    if (pauseMs === 0) return;
    const isOfOne = this.isOfOneImage(host, failure, asker);
    const key = pauseKey(host, asker);
    this.#answers.onAsked(key, failure, isOfOne, this.#deps.now());
    if (!isOfOne) this.#onAsked(key, failure.retryAfterMs ? pauseMs : null, failure, asker);
  }

  /** `askedMs` is null where the host named no time: one that is asked for less instead is not paused then. */
  #onAsked(key: string, askedMs: number | null, { code: reason, isPaced }: StageFailure, { batchId }: Asker): void {
    if (askedMs === null && isPaced === true) return;
    const known = this.#paused.get(key);
    known?.turns.onFailed(batchId);
    const pauseMs = askedMs ?? this.#unnamed.next(key, known !== undefined && known.until > this.#deps.now());
    if (known && known.until > this.#deps.now() + pauseMs - NEWS_MS) return;
    this.#apply({ host: key, remainingMs: pauseMs, reason, strikes: known?.strikes ?? 0, isAsked: true });
    this.#tell(pauseHost(this.#deps.executor, { host: key, pauseMs, reason }));
  }

  #onFailed(key: string, failure: StageFailure, { batchId }: Asker): void {
    if (this.#answers.gaveOthersMeanwhile(key, failure, this.#deps.now())) return;
    const { code: reason, retry } = failure;
    const known = this.#paused.get(key);
    known?.turns.onFailed(batchId);
    // Begun before the pause, which is known already, or the trial of a batch in it.
    if (known && known.until > this.#deps.now()) return;
    if (this.#apart.onFailed(key, batchId, failure, this.#deps.now())) return;
    const isTrial = known !== undefined && known.strikes > 0;
    const at = this.#deps.now();
    const batchIds = isTrial
      ? this.#failures.end(key, batchId)
      : this.#failures.onFailed(key, { batchId, isBusy: failure.isBusy === true, at });
    if (batchIds === null) return;
    if (!isTrial && this.#apart.takeApart(key, new Set(batchIds), failure, this.#deps.now())) return;
    const isConfirmed = isTrial && !retry && known.reason === reason;
    const { strikes, pauseMs } = nextStrike(known?.strikes ?? 0, isConfirmed);
    const struck = this.#apply({ host: key, remainingMs: pauseMs, reason, strikes, isAsked: false });
    if (!known) for (const failed of batchIds) struck.turns.onFailed(failed);
    this.#tell(strikeHost(this.#deps.executor, { host: key, reason, isConfirmed }));
  }

  /**
   * The one that is on for longest first: else its images would be sent back by the other for seconds, again and again. Where neither
   * is on, that of the batch alone first, which takes up no turn at the host.
   */
  #pausesOf(host: string, asker: Asker): PausedHost[] {
    const key = pauseKey(host, asker);
    const [apart, shared] = [this.#apart.find(key, asker.batchId), this.#paused.get(key)];
    if (apart === undefined || shared === undefined) return [apart, shared].filter((known) => known !== undefined);
    const now = this.#deps.now();
    const onUntil = (known: PausedHost) => (known.until > now && !mayTryInPause(known, asker.batchId) ? known.until : now);
    return [apart, shared].toSorted((one, other) => onUntil(other) - onUntil(one));
  }

  #apply({ host, ...pause }: HostPause): PausedHost {
    const paused = withPause(this.#paused.get(host), pause, this.#deps.now());
    this.#paused.set(host, paused);
    return paused;
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
    // What another process has ended, even where its news were missed; our own that the database has not taken yet hold for their time. A last
    // strike of ours is no such: the row of those before it is there.
    for (const [host, known] of this.#paused)
      if (!hosts.has(host) && (known.until <= this.#deps.now() || triesEachBatch(known))) this.#paused.delete(host);
    for (const host of over) if (!hosts.has(host)) this.#paused.delete(host);
    for (const row of rows) this.#apply(row);
  }

  #tell(telling: Promise<void>): void {
    telling.catch(this.#deps.onError);
  }
}
