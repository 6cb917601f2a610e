/** How soon after one another a host is asked that does not bear it at once, though one at a time. All times are of a clock that only goes forward, in milliseconds. */
export type HostPace = {
  /** It has a pace, and is asked for one at a time. */
  readonly isSet: boolean;
  /** 0 where none is set. */
  readonly gapMs: number;
  /** One is to be asked for. How long it waits for its turn, which is its own from now on. `isAlone`: nothing else is being asked for. */
  takeTurn(now: number, isAlone: boolean): number;
  /** An answer began to come so long after it was asked for. */
  onAnswer(ms: number): void;
  /** The host has given a whole answer. */
  onSuccess(now: number): void;
  /** It asks for patience. Whether it need only be asked for less: it gave others a moment ago. */
  onRefused(now: number): boolean;
};

/** Two refusals in a row after no more successes than this each are none by chance. A broken path in ten is met after nine. */
const FEW = 1;
/** Each such refusal makes the pace slower by a quarter, and each success quicker by a hundredth: of ten one is refused, and nine come. */
const SLOWER = 1.25;
/** With no success since the last, it is far from what the host bears. */
const FAR_SLOWER = 1.5;
const QUICKER = 0.99;
/** A host that is asked no sooner than that bears it, or asks for its pauses itself. */
const GAP_MS_MAX = 1_000;
/** Where it refused what was asked for after longer than that, its limit is at least as slow. */
const FIRST_GAP_MS_MAX = 500;
const FIRST_GAP_MS_MIN = 8;
/** A host that gave nothing for as long, or for four turns, refuses all. */
const GIVING_MS = 1_000;
const GIVING_TURNS = 4;

/**
 * A limit of so many requests a second that takes no burst (nginx's limit_req) refuses whatever comes too soon after what it gave last, even
 * where one is asked for at a time. So those have a gap between them, which is found by trying: never far from what the host bears, and gone
 * where it is no longer than an answer takes.
 */
export function createHostPace(): HostPace {
  let gapMs = 0;
  let answerMs = 0;
  let successes = 0;
  let gaveAt = -Infinity;
  /** Of the last turn: when it was, how long after the one before, and whether nothing else was asked for then. */
  let turnAt = -Infinity;
  let sinceLast = Infinity;
  let wasAlone = false;
  /** The last refusal came after few successes. */
  let wasSoon = false;

  return {
    get isSet() {
      return gapMs > 0;
    },
    get gapMs() {
      return gapMs;
    },
    takeTurn(now, isAlone) {
      const at = Math.max(now, turnAt + gapMs);
      sinceLast = at - turnAt;
      turnAt = at;
      wasAlone = isAlone;
      return at - now;
    },
    onAnswer(ms) {
      answerMs = ms;
    },
    onSuccess(now) {
      gaveAt = now;
      successes += 1;
      gapMs *= QUICKER;
      if (gapMs < answerMs) gapMs = 0;
    },
    onRefused(now) {
      const gives = now - gaveAt <= Math.max(GIVING_MS, GIVING_TURNS * gapMs);
      const isSoon = wasAlone && successes <= FEW;
      if (gives && isSoon && (wasSoon || gapMs > 0)) {
        const from = gapMs || Math.min(Math.max(sinceLast, FIRST_GAP_MS_MIN), FIRST_GAP_MS_MAX);
        gapMs = Math.min(from * (successes === 0 ? FAR_SLOWER : SLOWER), GAP_MS_MAX);
      }
      wasSoon = isSoon;
      successes = 0;
      return gives;
    },
  };
}
