/** Wakes pumps and workers of every process; the payload is a queue's name, or one of these. */
export const JOBS_CHANNEL = "pressrun_jobs";
export const NEW_BATCH = "batch";
/** A batch, or a share of one. */
export const PAUSED = "paused";
