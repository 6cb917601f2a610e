import type { ImageCode } from "./image-code.ts";

/** The images of a batch, or of a share of it, that were tried and settled since the upload or the last resume. */
export type BudgetCounts = { settled: number; failed: number };

/**
 * Fewer tell nothing yet: of five images two can fail by chance. A batch or a share that has fewer is therefore never
 * paused; once so many were settled, nothing of it would be left to hold back.
 */
export const BUDGET_SETTLED_MIN = 20;

/**
 * Whether more than `percent` of what was tried has failed. A URL that is none fails without a try and does
 * not count; nor do repeats, so that one broken placeholder in a thousand products is one failure.
 */
export function isOverBudget({ settled, failed }: BudgetCounts, percent: number | null): boolean {
  return percent !== null && settled >= BUDGET_SETTLED_MIN && 100 * failed > percent * settled;
}

/** The commonest failure of the `of` that were looked at. */
export type WorstFailure = { host: string; code: ImageCode; failed: number; of: number };

/** Why a batch was paused, for people. */
export function describeOverBudget(counts: BudgetCounts, percent: number, worst: WorstFailure | null): string {
  const rate = `${counts.failed} of ${counts.settled} images failed (${ratePercent(counts, percent)} %), more than the ${percent} % that pauseAtFailurePercent allows`;
  if (!worst) return `${rate}.`;
  return `${rate}; ${2 * worst.failed > worst.of ? "mostly" : "most often"} ${worst.code} from ${worst.host}.`;
}

/** Why one host's share of a batch was paused, for people. */
export function describeShareOverBudget(
  host: string,
  counts: BudgetCounts,
  percent: number,
  worst: Omit<WorstFailure, "host"> | null,
): string {
  const rate = `${counts.failed} of ${counts.settled} images of ${host} failed (${ratePercent(counts, percent)} %), more than the ${percent} % that pauseHostAtFailurePercent allows`;
  return worst ? `${rate}; ${2 * worst.failed > worst.of ? "mostly" : "most often"} ${worst.code}.` : `${rate}.`;
}

/** A paused share of a batch; `imagesHeld` counts those of its images that are planned and wait for its resume. */
export type PausedShare = BudgetCounts & { host: string; pausedAt: Date; pauseReason: string; imagesHeld: number };

/** Why a batch is paused of which only held images are left. `shares` are those that hold the most. */
export function describeOnlyHeld(
  shares: readonly Pick<PausedShare, "host" | "pauseReason" | "imagesHeld">[],
  all: { hostsPaused: number; imagesHeld: number },
): string {
  const [first] = shares;
  if (all.hostsPaused === 1 && first)
    return `Nothing is left to try but ${all.imagesHeld} images of ${first.host}, which is paused: ${first.pauseReason}`;
  const named = shares.slice(0, HOSTS_NAMED_MAX);
  const others = all.hostsPaused > named.length ? ["…"] : [];
  return `Nothing is left to try but ${all.imagesHeld} images of ${all.hostsPaused} paused hosts: ${[...named.map(({ host, imagesHeld }) => `${host} (${imagesHeld})`), ...others].join(", ")}.`;
}

const HOSTS_NAMED_MAX = 3;

export const PAUSED_BY_HAND = "Paused by hand.";

/** With as many decimals as it takes to show more than is allowed: 3,001 of 10,000 are not "30 %, more than 30 %". */
function ratePercent({ settled, failed }: BudgetCounts, percent: number): number {
  const rate = (100 * failed) / settled;
  return [0, 1, 2, 3].map((digits) => Number(rate.toFixed(digits))).find((rounded) => rounded > percent) ?? rate;
}
