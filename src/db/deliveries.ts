import type { DeliveryState } from "../domain/batch/batch-event.ts";
import type { Executor, Tx } from "./connection/connect.ts";

export type DueDelivery = {
  eventId: string;
  endpointId: string;
  type: string;
  body: string;
  url: string;
  /** Null: signed with the configured secret. */
  secret: string | null;
  sealedAuthorization: string | null;
  attempts: number;
};

type Key = { eventId: string; endpointId: string };

/** The delivery, with the body and the endpoint; null when it is settled already, or has had other than so many attempts. */
export async function findDueDelivery(db: Executor, key: Key & { attempts?: number }): Promise<DueDelivery | null> {
  const { rows } = await db.executeSql(
    `select d.event_id as "eventId", d.endpoint_id as "endpointId", d.attempts, v.type, coalesce(d.own_body, v.body) as body, e.url, e.secret, e.sealed_authorization as "sealedAuthorization"
     from delivery d join event v using (event_id) join endpoint e using (endpoint_id)
     where d.event_id = $1 and d.endpoint_id = $2 and d.state = 'pending' and d.attempts = coalesce($3, d.attempts)`,
    [key.eventId, key.endpointId, key.attempts ?? null],
  );
  return (rows[0] as DueDelivery | undefined) ?? null;
}

export type RecordedAttempt = Key & {
  attempt: number;
  state: DeliveryState;
  delayMs: number;
  httpStatus: number | null;
  detail: string;
  durationMs: number;
};

/** Records an attempt; false where another process recorded this attempt before. */
export async function recordDeliveryAttempt(tx: Tx, attempt: RecordedAttempt): Promise<boolean> {
  const { rows } = await tx.executor.executeSql(
    `update delivery set state = $3, attempts = $4, next_at = now() + $5 * interval '1 ms',
       settled_at = case when $3 = 'pending' then null else now() end
     where event_id = $1 and endpoint_id = $2 and state = 'pending' and attempts = $4 - 1
     returning 1`,
    [attempt.eventId, attempt.endpointId, attempt.state, attempt.attempt, attempt.delayMs],
  );
  if (rows.length !== 1) return false;
  // One more than the last that is recorded, not than those that count: an operator may have set these back to have it sent again.
  await tx.executor.executeSql(
    `insert into delivery_attempt (event_id, endpoint_id, attempt, http_status, detail, duration_ms)
     select $1, $2, coalesce(max(attempt), 0) + 1, $3, $4, $5 from delivery_attempt where event_id = $1 and endpoint_id = $2`,
    [attempt.eventId, attempt.endpointId, attempt.httpStatus, attempt.detail, attempt.durationMs],
  );
  return true;
}

/** Has it wait without an attempt; false where it has been attempted or settled meanwhile. */
export async function postponeDelivery(tx: Tx, { eventId, endpointId, attempts, delayMs }: Postponed): Promise<boolean> {
  const { rows } = await tx.executor.executeSql(
    `update delivery set next_at = now() + $4 * interval '1 ms'
     where event_id = $1 and endpoint_id = $2 and state = 'pending' and attempts = $3 returning 1`,
    [eventId, endpointId, attempts, delayMs],
  );
  return rows.length === 1;
}

type Postponed = Key & { attempts: number; delayMs: number };
