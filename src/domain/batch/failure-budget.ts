import type { ImageCode } from "../image/image-code.ts";

/**
 * The images of a batch, or of a share of it, that were tried since the upload or the last resume. `settled` of them were tried to the end,
 * and `failed` of these, `failedLate` of them only when they were in an encoder. `come` are not settled, but what was asked for comes well, or has come.
 */
export type BudgetCounts = { settled: number; failed: number; failedLate: number; come: number };

/**
 * Fewer tell nothing yet: of five images two can fail by chance. A batch or a share that has fewer is therefore never
 * paused; once so many were settled, nothing of it would be left to hold back.
 */
export const BUDGET_SETTLED_MIN = 20;

/**
 * Whether more than `percent` of what was tried has failed. A URL that is none fails without a try and does
 * not count; nor do repeats, so that one broken placeholder in a thousand products is one failure.
 */
export function isOverBudget(counts: BudgetCounts, percent: number | null): boolean {
  if (percent === null) return false;
  return isSpent(counts, counts.failed, triedOf(counts), percent) || isSpent(counts, counts.failedLate, workedOf(counts), percent);
}

/**
 * What comes well counts as tried. A 404 is settled at once, while what was asked for beside it comes and waits for an encoder: of the first 23
 * that were settled of photos of 3000x2000 all had failed, where a quarter of them did.
 */
function triedOf({ settled, come }: BudgetCounts): number {
  return settled + come;
}

/**
 * Those that came to an encoder are looked at by themselves as well: where all fail there, those that wait for one are no sign that they do not.
 */
function workedOf({ settled, failed, failedLate }: BudgetCounts): number {
  return settled - (failed - failedLate);
}

function isSpent({ settled }: BudgetCounts, failed: number, of: number, percent: number): boolean {
  return Math.min(settled, of) >= BUDGET_SETTLED_MIN && 100 * failed > percent * of;
}

/** The commonest failure of the `of` that were looked at. */
export type WorstFailure = { host: string; code: ImageCode; failed: number; of: number };

/** Why a batch was paused, for people. */
export function describeOverBudget(counts: BudgetCounts, percent: number, worst: WorstFailure | null): string {
  const rate = `${describeRate(counts, percent, "")}, more than the ${percent} % that pauseAtFailurePercent allows`;
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
  const rate = `${describeRate(counts, percent, ` of ${host}`)}, more than the ${percent} % that pauseHostAtFailurePercent allows`;
  return worst ? `${rate}; ${2 * worst.failed > worst.of ? "mostly" : "most often"} ${worst.code}.` : `${rate}.`;
}

/** A paused share of a batch; `imagesHeld` counts those of its images that are planned and wait for its resume. */
export type PausedShare = Pick<BudgetCounts, "settled" | "failed"> & {
  host: string;
  pausedAt: Date;
  pauseReason: string;
  imagesHeld: number;
};

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

function describeRate(counts: BudgetCounts, percent: number, whose: string): string {
  const { failed, failedLate } = counts;
  const [tried, worked] = [triedOf(counts), workedOf(counts)];
  if (isSpent(counts, failed, tried, percent))
    return `${failed} of ${tried} images${whose} failed (${ratePercent(failed, tried, percent)} %)`;
  return `${failedLate} of ${worked} images${whose} that had come failed (${ratePercent(failedLate, worked, percent)} %)`;
}

/** With as many decimals as it takes to show more than is allowed: 3,001 of 10,000 are not "30 %, more than 30 %". */
function ratePercent(failed: number, of: number, percent: number): number {
  const rate = (100 * failed) / of;
  return [0, 1, 2, 3].map((digits) => Number(rate.toFixed(digits))).find((rounded) => rounded > percent) ?? rate;
}
