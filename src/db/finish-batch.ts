import { and, eq, inArray, sql } from "drizzle-orm";
import type { BatchOutcome, EventType } from "../domain/batch-state.ts";
import type { BatchRow } from "./batches.ts";
import type { Tx } from "./connect.ts";
import { batch, delivery, endpoint, event } from "./schema.ts";

/**
 * Ends a run of a batch, once: null where this run is ended already or images of it are still open.
 * The sequence is taken from the row that this update holds, so that events are numbered in the order of commits.
 */
export async function endBatch(
  tx: Tx,
  batchId: string,
  end: { run: number; status: "completed" | "failed"; outcome: BatchOutcome },
): Promise<BatchRow | null> {
  const [row] = await tx.orm
    .update(batch)
    .set({
      status: end.status, outcome: end.outcome, finishedAt: sql`now()`, sequence: sql`sequence + 1`,
      startedAt: sql`coalesce(started_at, now())`,
    })
    .where(and(
      eq(batch.batchId, batchId), eq(batch.run, end.run), inArray(batch.status, ["pending", "processing"]),
      sql`is_planned and images_done + images_failed + images_skipped = images_total`,
    ))
    .returning();
  return row ?? null;
}

export type NewEvent = { eventId: string; batchId: string; run: number; type: EventType; sequence: number; body: string };

/** Records an event and a delivery of it to every endpoint of its batch; returns the endpoints. */
export async function recordEvent(tx: Tx, row: NewEvent): Promise<string[]> {
  await tx.orm.insert(event).values(row);
  const endpoints = await tx.orm.select({ endpointId: endpoint.endpointId }).from(endpoint).where(eq(endpoint.batchId, row.batchId));
  const deliveries = endpoints.map(({ endpointId }) => ({ eventId: row.eventId, endpointId }));
  if (deliveries.length > 0) await tx.orm.insert(delivery).values(deliveries);
  return endpoints.map(({ endpointId }) => endpointId);
}
