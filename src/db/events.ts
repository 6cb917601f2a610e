import type { EventType } from "../domain/batch/batch-event.ts";
import type { Tx } from "./connection/connect.ts";

/**
 * When something happens to a batch, as the update tells it that locks the batch. Not now(), which is when the transaction began:
 * another can have had the batch since then, and of two events the later one must have the later time.
 */
export const EVENT_TIME = "clock_timestamp()";

type NewEvent = {
  eventId: string;
  batchId: string;
  run: number;
  type: EventType;
  sequence: number;
  at: Date;
  body: string;
  seedBody: string | null;
};

/** Whether an endpoint of the batch wants events worded as the seed's webhook was. */
export async function hasSeedEndpoint(tx: Tx, batchId: string): Promise<boolean> {
  const { rows } = await tx.executor.executeSql("select 1 from endpoint where batch_id = $1 and payload = 'seed' limit 1", [batchId]);
  return rows.length > 0;
}

/**
 * Records an event and a delivery of it to every endpoint of its batch; returns the endpoints. Those with the seed's payload get
 * `seedBody`; without one they get no delivery.
 */
export async function recordEvent(tx: Tx, row: NewEvent): Promise<string[]> {
  await tx.executor.executeSql(
    "insert into event (event_id, batch_id, run, type, sequence, body, created_at) values ($1, $2, $3, $4, $5, $6, $7)",
    [row.eventId, row.batchId, row.run, row.type, row.sequence, row.body, row.at],
  );
  const { rows } = await tx.executor.executeSql(
    `insert into delivery (event_id, endpoint_id, own_body) select $1, endpoint_id, case when payload = 'seed' then $3::text end
     from endpoint where batch_id = $2 and (payload <> 'seed' or $3::text is not null)
     returning endpoint_id as "endpointId"`,
    [row.eventId, row.batchId, row.seedBody],
  );
  return (rows as { endpointId: string }[]).map(({ endpointId }) => endpointId);
}
