import type { BatchOutcome, EventType } from "../domain/batch-state.ts";
import { BATCH_COLUMNS, type BatchRow } from "./batches.ts";
import type { Tx } from "./connect.ts";

/**
 * Ends a run of a batch, once: null where this run is ended already or images of it are still open. A pause ends with it:
 * what was in hand may have been the last.
 * The sequence is taken from the row that this update holds, so that events are numbered in the order of commits.
 */
export async function endBatch(
  tx: Tx,
  batchId: string,
  end: { run: number; status: "completed" | "failed"; outcome: BatchOutcome },
): Promise<BatchRow | null> {
  const { rows } = await tx.executor.executeSql(
    `update batch set status = $3, outcome = $4, started_at = coalesce(started_at, now()), finished_at = now(), paused_at = null, pause_reason = null, sequence = sequence + 1
     where batch_id = $1 and run = $2 and status in ('pending', 'processing')
       and is_planned and images_done + images_failed + images_skipped = images_total
     returning ${BATCH_COLUMNS}`,
    [batchId, end.run, end.status, end.outcome],
  );
  return (rows[0] as BatchRow | undefined) ?? null;
}

export type NewEvent = { eventId: string; batchId: string; run: number; type: EventType; sequence: number; body: string };

/** Records an event and a delivery of it to every endpoint of its batch; returns the endpoints. */
export async function recordEvent(tx: Tx, row: NewEvent): Promise<string[]> {
  await tx.executor.executeSql("insert into event (event_id, batch_id, run, type, sequence, body) values ($1, $2, $3, $4, $5, $6)", [
    row.eventId, row.batchId, row.run, row.type, row.sequence, row.body,
  ]);
  const { rows } = await tx.executor.executeSql(
    `insert into delivery (event_id, endpoint_id) select $1, endpoint_id from endpoint where batch_id = $2 returning endpoint_id as "endpointId"`,
    [row.eventId, row.batchId],
  );
  return (rows as { endpointId: string }[]).map(({ endpointId }) => endpointId);
}
