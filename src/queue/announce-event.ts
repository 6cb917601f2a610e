import { randomUUIDv7 } from "node:crypto";
import type { BatchEvent } from "../contract/event.ts";
import type { BatchRow } from "../db/batches.ts";
import type { Tx } from "../db/connection/connect.ts";
import { hasSeedEndpoint, recordEvent } from "../db/events.ts";
import { listProducts } from "../db/list-products.ts";
import { resultCsvUrl, statusUrl, viewPausedShare } from "../domain/batch/batch-urls.ts";
import { isEnd, type EventType } from "../domain/batch/batch-event.ts";
import { countsOf } from "../domain/batch/batch-state.ts";
import type { PausedShare } from "../domain/batch/failure-budget.ts";
import { SEED_PRODUCTS_MAX, writeSeedPayload } from "../domain/batch/seed-payload.ts";
import type { Queue } from "./queue.ts";

export type AnnounceDeps = { queue: Pick<Queue, "sendDeliver">; publicUrl: () => string };

/** `share` is the one that was paused, or that is paused no longer, as it stood. */
type Happened = { type: EventType; at: Date; share?: PausedShare };

/**
 * Records what happened to a batch and queues its deliveries, in the transaction in which it happens. `batch` is how it stands
 * after that.
 */
export async function announceEvent(tx: Tx, deps: AnnounceDeps, batch: BatchRow, happened: Happened): Promise<void> {
  const eventId = randomUUIDv7();
  const body = JSON.stringify(eventBody(batch, happened, deps.publicUrl()));
  const seedBody = await findSeedBody(tx, deps, batch, happened.type);
  const endpointIds = await recordEvent(tx, {
    eventId,
    batchId: batch.batchId,
    run: batch.run,
    type: happened.type,
    sequence: batch.sequence,
    at: happened.at,
    body,
    seedBody,
  });
  for (const endpointId of endpointIds) await deps.queue.sendDeliver(tx, { eventId, endpointId, attempts: 0 });
}

/** The seed sent one webhook, at the end of a batch: a receiver written for it would take the news of a pause for the end. */
async function findSeedBody(tx: Tx, deps: AnnounceDeps, batch: BatchRow, type: EventType): Promise<string | null> {
  if (!isEnd(type)) return null;
  if (!(await hasSeedEndpoint(tx, batch.batchId))) return null;
  const { products } = await listProducts(tx.executor, batch.batchId, { afterLine: 0, limit: SEED_PRODUCTS_MAX });
  return writeSeedPayload(batch, products, deps.publicUrl());
}

function eventBody(batch: BatchRow, { type, at, share }: Happened, publicUrl: string): BatchEvent {
  return {
    type,
    timestamp: at.toISOString(),
    data: {
      requestId: batch.batchId,
      status: batch.status,
      outcome: batch.outcome,
      run: batch.run,
      fileName: batch.csvFileName,
      metadata: batch.metadata,
      progress: { ...countsOf(batch), reused: batch.imagesReused },
      bytes: { input: batch.inputBytes, output: batch.outputBytes },
      pausedAt: batch.pausedAt?.toISOString() ?? null,
      pauseReason: batch.pauseReason,
      pausedHost: share ? viewPausedShare(share, publicUrl, batch.batchId) : null,
      outputCsvUrl: resultCsvUrl(publicUrl, batch.token),
      statusUrl: statusUrl(publicUrl, batch.batchId),
    },
  };
}
