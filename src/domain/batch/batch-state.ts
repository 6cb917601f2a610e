/** The states of a batch; see ARCHITECTURE.md for who moves it from one to the next. */
export const BATCH_STATUSES = ["pending", "processing", "completed", "failed", "cancelled"] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

/** How much of a batch succeeded, once all of it is settled. */
export const BATCH_OUTCOMES = ["all", "some", "none"] as const;
export type BatchOutcome = (typeof BATCH_OUTCOMES)[number];

export const IMAGE_STATES = ["planned", "done", "failed", "cancelled"] as const;
export type ImageState = (typeof IMAGE_STATES)[number];

type BatchCounts = { total: number; completed: number; failed: number; skipped: number };

/** A batch's counters, by the names that the API gives them. */
export function countsOf(batch: Record<"imagesTotal" | "imagesDone" | "imagesFailed" | "imagesSkipped", number>): BatchCounts {
  return { total: batch.imagesTotal, completed: batch.imagesDone, failed: batch.imagesFailed, skipped: batch.imagesSkipped };
}

/** How many images have ended, one way or another. */
export function settledOf({ completed, failed, skipped }: BatchCounts): number {
  return completed + failed + skipped;
}

export type EndStatus = "completed" | "failed" | "cancelled";

/**
 * Of a batch that is wholly settled: `cancelled` where anything was left untried, and `failed` only where nothing at all succeeded. One that
 * was cancelled when everything of it was in hand ends like any other.
 */
export function settledStatus(counts: BatchCounts): { status: EndStatus; outcome: BatchOutcome } {
  const outcome = counts.completed === 0 ? "none" : counts.completed === counts.total ? "all" : "some";
  if (counts.skipped > 0) return { status: "cancelled", outcome };
  return { status: outcome === "none" ? "failed" : "completed", outcome };
}

/** In whole per cent, rounded down, so that 100 means that every image is settled. */
export function percentSettled(counts: BatchCounts): number {
  if (counts.total === 0) return 100;
  return Math.floor((100 * settledOf(counts)) / counts.total);
}
