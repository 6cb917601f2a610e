/** Payloads hold ids and hardly anything else: the rest is read from the rows, as it is at that time. Ids are UUIDs. */

/** Some images of one batch, of one priority: see queue/image-jobs.ts, which also says what becomes of one that cannot be read. */
export type ImageJob = {
  batchId: string;
  /** The images that still need the job, one at least: to end the claim of one takes it out. */
  ordinals: number[];
  /** As in the job's own column, which a fetch does not give: to fetch all 35 columns for it cost an image that comes again 5 % of its CPU. */
  priority: number;
  /** When the images' host first asked for patience, in ms since 1970 by the database's clock: see PATIENCE_MS in domain/load/host-pause.ts. */
  askedSince?: number;
};
export type PlanJob = { batchId: string };
/** `run` counts from 1. */
export type FinishJob = { batchId: string; run: number };
/** Of a batch that is in `removed_batch`. */
export type RemoveJob = { batchId: string };
export type DeliverJob = {
  eventId: string;
  endpointId: string;
  /**
   * How many attempts the delivery had when the job was made, which is for the next one alone: run once more after that is recorded, it
   * would begin a second chain of attempts. Jobs of the first versions do not say.
   */
  attempts?: number;
};
