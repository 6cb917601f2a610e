import type { BatchOutcome, EventType } from "../domain/batch-state.ts";
import { BATCH_COLUMNS, type BatchRow } from "./batches.ts";
import type { Tx } from "./connect.ts";
import { IS_SETTLED } from "./settle-images.ts";

/**
 * Ends a run of a batch, once: null where this run is ended already or images of it are still open. A pause ends with it, and
 * that of a host: what was in hand may have been the last.
 * The sequence is taken from the row that this update holds, so that events are numbered in the order of commits.
 */
export async function endBatch(
  tx: Tx,
  batchId: string,
  end: { run: number; status: "completed" | "failed"; outcome: BatchOutcome },
): Promise<BatchRow | null> {
  const { rows } = await tx.executor.executeSql(
    `update batch set status = $3, outcome = $4, started_at = coalesce(started_at, now()), finished_at = now(), paused_at = null, pause_reason = null,
       hosts_paused = 0, images_held = 0, images_due = 0, waits_for_hosts = false, sequence = sequence + 1
     where batch_id = $1 and run = $2 and status in ('pending', 'processing')
       and ${IS_SETTLED}
     returning ${BATCH_COLUMNS}`,
    [batchId, end.run, end.status, end.outcome],
  );
  return (rows[0] as BatchRow | undefined) ?? null;
}

export type NewEvent = {
  eventId: string;
  batchId: string;
  run: number;
  type: EventType;
  sequence: number;
  body: string;
  seedBody?: string | null;
};

/** Whether somebody wants the batch's events as the seed's webhook was. */
export async function hasSeedEndpoint(tx: Tx, batchId: string): Promise<boolean> {
  const { rows } = await tx.executor.executeSql("select 1 from endpoint where batch_id = $1 and payload = 'seed' limit 1", [batchId]);
  return rows.length > 0;
}

/**
 * Records an event and a delivery of it to every endpoint of its batch; returns the endpoints. Those that know only the
 * seed's webhook get `seedBody`; where there is none the event is not for them.
 */
export async function recordEvent(tx: Tx, row: NewEvent): Promise<string[]> {
  await tx.executor.executeSql("insert into event (event_id, batch_id, run, type, sequence, body) values ($1, $2, $3, $4, $5, $6)", [
    row.eventId,
    row.batchId,
    row.run,
    row.type,
    row.sequence,
    row.body,
  ]);
  const { rows } = await tx.executor.executeSql(
    `insert into delivery (event_id, endpoint_id, own_body) select $1, endpoint_id, case when payload = 'seed' then $3::text end
     from endpoint where batch_id = $2 and (payload <> 'seed' or $3::text is not null)
     returning endpoint_id as "endpointId"`,
    [row.eventId, row.batchId, row.seedBody ?? null],
  );
  return (rows as { endpointId: string }[]).map(({ endpointId }) => endpointId);
}
