import { createAverage } from "./average.ts";

/** How soon after one another a host is asked that does not bear it at once, though one at a time. All times are of a clock that only goes forward, in milliseconds. */
export type HostPace = {
  /** Between two, which are asked for one at a time; 0 where it needs none. */
  readonly gapMs: number;
  /** One is to be asked for. How long it waits for its turn, which is its own from now on. `isAlone`: nothing else is being asked for. */
  takeTurn(now: number, isAlone: boolean): number;
  /** An answer began to come so long after it was asked for. */
  onAnswer(ms: number): void;
  /** The host has given a whole answer. */
  onSuccess(now: number): void;
  /** The last turn came sooner after what the host gave last than all that it gave lately: were it refused, that would say nothing of the image. */
  readonly isTooSoon: boolean;
  /** It asks for patience. Whether it need only be asked for less: it gave others a moment ago. */
  onRefused(now: number): boolean;
};

/** How soon the last ones came that it gave tells what it bears: so many, and so many at least. */
const GIVEN_MAX = 5;
const GIVEN_MIN = 3;
/** What was asked for as soon as one of these, and is refused, is refused by chance, or since a minute's or a day's quota is used up. */
const SOONER = 0.985;
/** The gap is a fifth longer than what it bore at last, and shorter with each that it gives: of a dozen one is refused. */
const SLOWER = 1.2;
const QUICKER = 0.995;
/** Nor longer than twice what it refused: between those that it gave there may have been its pauses. */
const REFUSED = 2;
/** After so many in a row its limit has become wider, or is none any more. */
const WIDER_AFTER = 100;
const MUCH_QUICKER = 0.97;
/** A host that is asked no sooner than that bears it, or asks for its pauses itself. */
const GAP_MS_MAX = 1_000;
/** After a refusal it is asked again so much of a gap later, and twice as much later each time that it refuses again. */
const AGAIN = 1 / 4;
const FIRST_GAP_MS_MIN = 8;
const FIRST_GAP_MS_MAX = 500;
/** Weight of a new answer's time in their average. */
const NEW_WEIGHT = 1 / 16;
/** A host that gave nothing for as long, or for four turns, refuses all. */
const GIVING_MS = 1_000;
const GIVING_TURNS = 4;

/**
 * A limit of so many requests a second that takes no burst (nginx's limit_req) refuses whatever comes too soon after what it gave last, even
 * where one is asked for at a time. It shows by what it refuses sooner than all that it gave lately. Then there is a gap between two, never far
 * from what the host bears, and gone where it is no longer than an answer takes.
 */
export function createHostPace(): HostPace {
  let gapMs = 0;
  let againMs = 0;
  const answers = createAverage(NEW_WEIGHT);
  let gaveAt = -Infinity;
  /** Of the last turn: when it was, and whether nothing else was asked for then. */
  let turnAt = -Infinity;
  let wasAlone = false;
  /** The last turn for which something was given, and how long after the one before it that was, of the last ones. */
  let givenTurnAt = -Infinity;
  const given: number[] = [];
  let inARow = 0;
  const isTooSoon = () => wasAlone && given.length >= GIVEN_MIN && turnAt - givenTurnAt < SOONER * Math.min(...given);

  return {
    get gapMs() {
      return gapMs;
    },
    takeTurn(now, isAlone) {
      const at = Math.max(now, turnAt + (againMs || gapMs));
      turnAt = at;
      wasAlone = isAlone;
      return at - now;
    },
    get isTooSoon() {
      return isTooSoon();
    },
    onAnswer: answers.add,
    onSuccess(now) {
      gaveAt = now;
      againMs = 0;
      given.push(wasAlone ? turnAt - givenTurnAt : 0);
      if (given.length > GIVEN_MAX) given.shift();
      givenTurnAt = turnAt;
      inARow += 1;
      gapMs *= inARow > WIDER_AFTER ? MUCH_QUICKER : QUICKER;
      if (gapMs < answers.value) gapMs = 0;
    },
    onRefused(now) {
      inARow = 0;
      const gives = now - gaveAt <= Math.max(GIVING_MS, GIVING_TURNS * gapMs);
      if (!wasAlone) return gives;
      const sinceGivenMs = turnAt - givenTurnAt;
      if (gives && isTooSoon())
        gapMs = Math.min(SLOWER * Math.min(...given), REFUSED * Math.max(sinceGivenMs, FIRST_GAP_MS_MIN), GAP_MS_MAX);
      const firstMs = AGAIN * (gapMs || Math.min(Math.max(sinceGivenMs, FIRST_GAP_MS_MIN), FIRST_GAP_MS_MAX));
      againMs = gives ? Math.min(againMs > 0 ? 2 * againMs : firstMs, GAP_MS_MAX) : 0;
      return gives;
    },
  };
}
