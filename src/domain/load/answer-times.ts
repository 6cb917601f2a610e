/** How long origins take to answer. */
export type AnswerTimes = {
  /** Called when an origin is asked. Returns what is to be called when its answer has come whole, or is not awaited any more. */
  onAsked(): (how: "came" | "gone") => void;
  /** The longest of late, of those that are still awaited as well; at most ten seconds. */
  readonly slowestMs: number;
};

/** Slower answers are not worth fetching ahead for, and one of two minutes would be remembered for a thousand others. */
const SLOW_MS_MAX = 10_000;
/** By how much of the difference a quicker answer lets us forget the slowest: one slow answer in fifty is remembered. */
const FORGET = 1 / 512;

export function createAnswerTimes(now: () => number): AnswerTimes {
  /** In the order in which they were asked for. */
  const awaited = new Set<{ since: number }>();
  let slowestMs = 0;
  return {
    onAsked() {
      const answer = { since: now() };
      awaited.add(answer);
      return (how) => {
        if (!awaited.delete(answer) || how === "gone") return;
        const ms = Math.min(SLOW_MS_MAX, now() - answer.since);
        slowestMs = Math.max(ms, slowestMs + (ms - slowestMs) * FORGET);
      };
    },
    get slowestMs() {
      const [first] = awaited;
      return Math.max(slowestMs, first === undefined ? 0 : Math.min(SLOW_MS_MAX, now() - first.since));
    },
  };
}
