/** How long origins take to answer. */
export type AnswerTimes = {
  /** Called when an origin is asked. Returns what is to be called when its answer has come whole, or is not awaited any more. */
  onAsked(): (how: "came" | "gone") => void;
  /** The longest of late, of those that are still awaited as well. */
  readonly slowestMs: number;
  /** How many have come a second of late, while any was awaited. Null before the first. */
  readonly perSecond: number | null;
};

/** By how much of the difference a quicker answer lets us forget the slowest: one slow answer in fifty is remembered. */
const FORGET = 1 / 512;
/** By how much each answer lets us forget how quickly those before it came. */
const FORGET_RATE = 1 / 64;

export function createAnswerTimes(now: () => number): AnswerTimes {
  /** In the order in which they were asked for. */
  const awaited = new Set<{ since: number }>();
  let slowestMs = 0;
  let [count, countedMs, countedUntil] = [0, 0, 0];
  const countAnswer = () => {
    count += 1 - count * FORGET_RATE;
    countedMs += now() - countedUntil - countedMs * FORGET_RATE;
    countedUntil = now();
  };
  return {
    onAsked() {
      // While nothing is awaited no time is counted.
      if (awaited.size === 0) countedUntil = now();
      const answer = { since: now() };
      awaited.add(answer);
      return (how) => {
        if (!awaited.delete(answer) || how === "gone") return;
        const ms = now() - answer.since;
        slowestMs = Math.max(ms, slowestMs + (ms - slowestMs) * FORGET);
        countAnswer();
      };
    },
    get slowestMs() {
      const [first] = awaited;
      return Math.max(slowestMs, first === undefined ? 0 : now() - first.since);
    },
    get perSecond() {
      return count === 0 ? null : (1_000 * count) / Math.max(1, countedMs);
    },
  };
}
