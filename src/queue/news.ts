import type { Tx } from "../db/connection/connect.ts";

/** Wakes pumps and workers of every process; the payload is a queue's name, or one of these. */
export const JOBS_CHANNEL = "pressrun_jobs";
export const NEW_BATCH = "batch";
/** A batch, or a share of one. */
export const PAUSED = "paused";

/** Told once the transaction is committed, and not at all where it is not. */
export async function tellNews(tx: Tx, news: string): Promise<void> {
  await tx.executor.executeSql("select pg_notify($1, $2)", [JOBS_CHANNEL, news]);
}
