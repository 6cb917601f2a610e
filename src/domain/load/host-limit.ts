import { createAverage } from "./average.ts";

/** How many may be asked of one host at once, as it shows what it bears. */
export type HostLimit = {
  /** A fraction while it grows back: as many as are whole. */
  readonly value: number;
  /** It has borne all that was tried: that it bears more than a host of which nothing is known would be found again. */
  readonly isAsNew: boolean;
  onAnswer(answer: Answer): void;
  /** The host has given a whole answer. */
  onSuccess(): void;
  /** They may be too many for it. */
  onSlowDown(): void;
  /** An answer, or the connection for it, has not come in time. */
  onLate(at: number): void;
};

/** It began to come at `at`, `ms` after it was asked for. `isWanted`: images wait until this host may be asked for them. */
type Answer = { ms: number; at: number; isWanted: boolean };

/** So many at once are asked of a host of which nothing is known. */
const AT_FIRST = 32;
/** So many of its answers tell how long it takes. */
const ANSWERS_MIN = 4;
/** Asked for twice as much at once it may take a quarter longer. With twice the time it would bring nothing more. */
const GROWS_TO = 1.25;
const SHRINKS_FROM = 1.5;
/** A host that answers sooner gives 1,600 images a second with 32 at once. */
const MS_MIN = 20;
/** What the host did not bear is tried again so many answers later. */
const ANSWERS_BETWEEN = 500;
/** What it refused, so many later: each try may cost some images an attempt. */
const ANSWERS_AFTER_REFUSAL = 5_000;
/** Below it one more is asked for after so many successes: of a host that serves one at a time every second request would be refused. */
const SMALL = 4;
/** Weight of a new time in its average. */
const NEW_WEIGHT = 1 / 16;

/** Of those that were asked for together. So many of them late, a quarter at least, within so long are more than dead connections by chance. */
const BURST_MIN = 4;
const BURST_SHARE = 1 / 4;
const BURST_MS = 1_000;

export function limitAtFirst(max: number): number {
  return Math.min(AT_FIRST, max);
}

/**
 * A host that is far away, or takes long for each answer, gives no more than its time lets it: 32 at once are a hundred a second
 * at 300 ms, and six at 5 s, though it might bear more. So where images wait for it, it is asked for twice as many at once,
 * and again, to `max` at most, as long as its answers take no longer than with 32; and for half as many when they do. A host
 * that may have had too much is asked for half as many too. That grows back by successes, to 32 and for long no
 * further (docs/adr/0013-more-of-one-host.md).
 */
export function createHostLimit(max: number): HostLimit {
  const atFirst = limitAtFirst(max);
  let value = atFirst;
  const usual = createAverage(NEW_WEIGHT);
  /** Of those that were asked for since the limit grew. */
  let crowded = createAverage(NEW_WEIGHT);
  let [changedAt, answers, growsFrom] = [-Infinity, 0, ANSWERS_MIN];
  let burst = { at: -Infinity, late: 0, isOver: false };

  const isLonger = (factor: number) => crowded.value > factor * usual.value;
  const change = (to: number, at: number) => {
    value = to;
    changedAt = at;
    crowded = createAverage(NEW_WEIGHT);
  };

  return {
    get value() {
      return value;
    },
    get isAsNew() {
      return value >= atFirst && growsFrom === ANSWERS_MIN;
    },
    onAnswer({ ms, at, isWanted }) {
      answers += 1;
      const isCrowded = value > atFirst;
      if (at - ms >= changedAt) (isCrowded ? crowded : usual).add(ms);
      if (isCrowded && crowded.count >= ANSWERS_MIN && isLonger(SHRINKS_FROM)) {
        change(Math.max(atFirst, value / 2), at);
        growsFrom = answers + ANSWERS_BETWEEN;
        return;
      }
      const bearsIt = isCrowded ? crowded.count >= value && !isLonger(GROWS_TO) : value === atFirst && usual.value >= MS_MIN;
      if (isWanted && bearsIt && answers >= growsFrom && value < max) change(Math.min(max, 2 * value), at);
    },
    onSuccess() {
      if (value < atFirst) value = Math.min(atFirst, value + 1 / Math.max(value, SMALL));
    },
    onSlowDown() {
      value = Math.max(1, Math.min(atFirst, value / 2));
      growsFrom = answers + ANSWERS_AFTER_REFUSAL;
    },
    onLate(at) {
      if (at - burst.at > BURST_MS) burst = { at, late: 0, isOver: false };
      burst.late += 1;
      const isBurst = !burst.isOver && burst.late >= Math.max(BURST_MIN, Math.min(value, atFirst) * BURST_SHARE);
      if (isBurst) burst.isOver = true;
      else if (value <= atFirst) return;
      value = isBurst ? Math.max(1, Math.min(value, atFirst) / 2) : atFirst;
      growsFrom = answers + ANSWERS_BETWEEN;
    },
  };
}
