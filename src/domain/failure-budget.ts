import type { ImageCode } from "./image-code.ts";

/** What of a batch was settled by a try since its upload, or since it was last resumed. */
export type BudgetCounts = { settled: number; failed: number };

/**
 * Fewer tell nothing yet: of five images two can fail by chance. A batch with fewer than these is therefore never
 * paused; by the time it could be, there is nothing left to hold back.
 */
export const BUDGET_SETTLED_MIN = 20;

/**
 * Whether more than `percent` of what was tried has failed. Only tries count: a URL that was no URL was known before,
 * and a repeat costs nothing, so that one broken placeholder in a thousand products is one failure.
 */
export function isOverBudget({ settled, failed }: BudgetCounts, percent: number | null): boolean {
  return percent !== null && settled >= BUDGET_SETTLED_MIN && 100 * failed > percent * settled;
}

/** The commonest failure among those looked at. */
export type WorstFailure = { host: string; code: ImageCode; failed: number; of: number };

/** Why a batch was paused, for people. */
export function describeOverBudget(counts: BudgetCounts, percent: number, worst: WorstFailure | null): string {
  const rate = `${counts.failed} of ${counts.settled} images failed (${ratePercent(counts, percent)} %), more than the ${percent} % that pauseAtFailurePercent allows`;
  if (!worst) return `${rate}.`;
  return `${rate}; ${2 * worst.failed > worst.of ? "mostly" : "most often"} ${worst.code} from ${worst.host}.`;
}

export const PAUSED_BY_HAND = "Paused by hand.";

/** With as few decimals as show that it is more than what is allowed: 3,001 of 10,000 are not "30 %, more than 30 %". */
function ratePercent({ settled, failed }: BudgetCounts, percent: number): number {
  const rate = (100 * failed) / settled;
  return [0, 1, 2, 3].map((digits) => Number(rate.toFixed(digits))).find((rounded) => rounded > percent) ?? rate;
}
