import { findDueDelivery, recordDeliveryAttempt, type DueDelivery, type RecordedAttempt } from "../db/deliveries.ts";
import type { Database } from "../db/connect.ts";
import { DELIVERY_ATTEMPTS_MAX, deliveryRetryDelayMs } from "../domain/backoff.ts";
import type { Queue } from "../queue/queue.ts";
import type { DeliveryOutcome } from "../webhook/deliver-event.ts";

export type DeliverDeps = {
  db: Pick<Database, "executor" | "transaction">;
  queue: Pick<Queue, "sendDeliver">;
  send(endpoint: { url: string; secret: string }, event: { id: string; type: string; body: string }): Promise<DeliveryOutcome>;
  /** Signs deliveries to WEBHOOK_URL; null when the configuration no longer names one. */
  defaultSecret: string | null;
  random: () => number;
};

/** One attempt at one delivery. A job that runs twice sends twice, with the same webhook-id, and is counted once. */
export async function deliver(deps: DeliverDeps, key: { eventId: string; endpointId: string }): Promise<void> {
  const due = await findDueDelivery(deps.db.executor, key);
  if (!due) return;
  const outcome = await attempt(deps, due);
  const recorded = toRecord(due, outcome, deps.random());
  await deps.db.transaction(async (tx) => {
    const isFirst = await recordDeliveryAttempt(tx, recorded);
    if (isFirst && recorded.state === "pending") await deps.queue.sendDeliver(tx, key, recorded.delayMs);
  });
}

async function attempt(deps: DeliverDeps, due: DueDelivery): Promise<DeliveryOutcome> {
  const secret = due.secret ?? deps.defaultSecret;
  if (secret === null) {
    return { kind: "retry", status: null, detail: "WEBHOOK_SECRET is not set, so that the message cannot be signed", durationMs: 0 };
  }
  return deps.send({ url: due.url, secret }, { id: due.eventId, type: due.type, body: due.body });
}

function toRecord(due: DueDelivery, outcome: DeliveryOutcome, random: number): RecordedAttempt {
  const attemptNumber = due.attempts + 1;
  const common = {
    eventId: due.eventId, endpointId: due.endpointId, attempt: attemptNumber,
    httpStatus: outcome.status, detail: outcome.detail, durationMs: Math.round(outcome.durationMs), delayMs: 0,
  };
  switch (outcome.kind) {
    case "delivered":
    case "gone":
    case "failed":
      return { ...common, state: outcome.kind };
    case "retry":
      if (attemptNumber >= DELIVERY_ATTEMPTS_MAX) return { ...common, state: "failed" };
      return { ...common, state: "pending", delayMs: deliveryRetryDelayMs(attemptNumber, random, outcome.retryAfterMs) };
    default:
      return outcome.kind satisfies never;
  }
}
