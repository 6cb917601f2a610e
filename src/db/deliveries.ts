import { and, eq, sql } from "drizzle-orm";
import type { NodePgDatabase } from "drizzle-orm/node-postgres";
import type { DeliveryState } from "../domain/batch-state.ts";
import type { Tx } from "./connect.ts";
import { delivery, deliveryAttempt, endpoint, event } from "./schema.ts";

export type DueDelivery = {
  eventId: string; endpointId: string; type: string; body: string; url: string;
  /** Null: signed with the configured secret. */
  secret: string | null;
  attempts: number;
};

type Key = { eventId: string; endpointId: string };

/** The delivery with what it sends and where; null when it is settled already. */
export async function findDueDelivery(orm: Pick<NodePgDatabase, "select">, key: Key): Promise<DueDelivery | null> {
  const [row] = await orm
    .select({
      eventId: delivery.eventId, endpointId: delivery.endpointId, attempts: delivery.attempts,
      type: event.type, body: event.body, url: endpoint.url, secret: endpoint.secret,
    })
    .from(delivery)
    .innerJoin(event, eq(event.eventId, delivery.eventId))
    .innerJoin(endpoint, eq(endpoint.endpointId, delivery.endpointId))
    .where(and(eq(delivery.eventId, key.eventId), eq(delivery.endpointId, key.endpointId), eq(delivery.state, "pending")));
  return row ?? null;
}

export type RecordedAttempt = Key & { attempt: number; state: DeliveryState; delayMs: number; httpStatus: number | null; detail: string; durationMs: number };

/** Writes one attempt; false when somebody else wrote this attempt before us. */
export async function recordDeliveryAttempt(tx: Tx, attempt: RecordedAttempt): Promise<boolean> {
  const settled = attempt.state === "pending" ? null : sql`now()`;
  const { rowCount } = await tx.orm
    .update(delivery)
    .set({ state: attempt.state, attempts: attempt.attempt, nextAt: sql`now() + ${attempt.delayMs} * interval '1 ms'`, settledAt: settled })
    .where(and(
      eq(delivery.eventId, attempt.eventId), eq(delivery.endpointId, attempt.endpointId),
      eq(delivery.state, "pending"), eq(delivery.attempts, attempt.attempt - 1),
    ));
  if (rowCount !== 1) return false;
  await tx.orm.insert(deliveryAttempt).values(attempt);
  return true;
}
