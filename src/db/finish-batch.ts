import type { BatchOutcome, EndStatus } from "../domain/batch/batch-state.ts";
import { BATCH_COLUMNS, type BatchRow } from "./batches.ts";
import type { Tx } from "./connection/connect.ts";
import { EVENT_TIME } from "./events.ts";
import { IS_SETTLED } from "./settle-images.ts";

/**
 * Ends a run of a batch, once: null where this run has ended already, or has images that are not settled. It also ends a pause of
 * the batch or of a share, which can still be on when the last image in hand is settled.
 * The event's sequence number is taken from the row that this update locks, so that events are numbered in the order of commits.
 */
export async function endBatch(
  tx: Tx,
  batchId: string,
  end: { run: number; status: EndStatus; outcome: BatchOutcome },
): Promise<BatchRow | null> {
  const { rows } = await tx.executor.executeSql(
    `update batch set status = $3, outcome = $4, started_at = coalesce(started_at, now()), finished_at = ${EVENT_TIME}, paused_at = null, pause_reason = null,
       hosts_paused = 0, images_held = 0, images_due = 0, waits_for_hosts = false, sequence = sequence + 1
     where batch_id = $1 and run = $2 and status in ('pending', 'processing')
       and ${IS_SETTLED}
     returning ${BATCH_COLUMNS}`,
    [batchId, end.run, end.status, end.outcome],
  );
  return (rows[0] as BatchRow | undefined) ?? null;
}
