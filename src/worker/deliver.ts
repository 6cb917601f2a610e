import type { DeliverJob } from "../contract/jobs.ts";
import { findDueDelivery, postponeDelivery, recordDeliveryAttempt, type DueDelivery, type RecordedAttempt } from "../db/deliveries.ts";
import type { Database } from "../db/connection/connect.ts";
import { DELIVERY_ATTEMPTS_MAX, deliveryRetryDelayMs } from "../domain/load/backoff.ts";
import type { MuteReceivers } from "../domain/load/mute-receivers.ts";
import type { Log } from "../observe/log.ts";
import type { Queue } from "../queue/queue.ts";
import type { DeliverableEvent, DeliveryOutcome, DeliveryTarget } from "../webhook/deliver-event.ts";

export type DeliverDeps = {
  db: Pick<Database, "executor" | "transaction">;
  queue: Pick<Queue, "sendDeliver">;
  send(target: DeliveryTarget, event: DeliverableEvent): Promise<DeliveryOutcome>;
  /** WEBHOOK_URL and what goes with it, for endpoints without a secret of their own; null when the configuration no longer names one. */
  configured: DeliveryTarget | null;
  /** Null where it was encrypted with another key; no function where there is no key at all. */
  openAuthorization: ((sealed: string, endpointId: string) => string | null) | null;
  receivers: MuteReceivers;
  random: () => number;
  log: Pick<Log, "debug" | "warn">;
};

/** Its receiver is mute, and has as many deliveries under way as such a one may. */
type Postponed = { kind: "postponed"; delayMs: number };

/**
 * One attempt at one delivery, the one that the job was made for. A job that runs twice sends twice until that is recorded, with the same
 * webhook-id, and is counted once.
 */
export async function deliver(deps: DeliverDeps, job: DeliverJob): Promise<void> {
  const due = await findDueDelivery(deps.db.executor, job);
  if (!due) return;
  const { eventId, endpointId } = due;
  const outcome = await attempt(deps, due);
  if (outcome.kind === "postponed") return postpone(deps, due, outcome.delayMs);
  const recorded = toRecord(due, outcome, deps.random());
  await deps.db.transaction(async (tx) => {
    const isFirst = await recordDeliveryAttempt(tx, recorded);
    if (isFirst && recorded.state === "pending")
      await deps.queue.sendDeliver(tx, { eventId, endpointId, attempts: recorded.attempt }, recorded.delayMs);
  });
  const facts = describeAttempt(due, recorded);
  if (recorded.state === "delivered" || recorded.state === "pending") deps.log.debug(facts, "delivery");
  else deps.log.warn({ ...facts, detail: recorded.detail }, "a delivery was given up");
}

/** Its job comes again later, which is no attempt. */
async function postpone(deps: DeliverDeps, { eventId, endpointId, attempts, type, url }: DueDelivery, delayMs: number): Promise<void> {
  const key = { eventId, endpointId, attempts };
  await deps.db.transaction(async (tx) => {
    if (await postponeDelivery(tx, { ...key, delayMs })) await deps.queue.sendDeliver(tx, key, delayMs);
  });
  deps.log.debug({ eventId, type, host: new URL(url).host, delayMs: Math.round(delayMs) }, "delivery postponed");
}

/** One wide event for each attempt. Of the receiver's URL its host alone: the rest may be secret. */
function describeAttempt(
  { eventId, type, url }: DueDelivery,
  { attempt, state, httpStatus, durationMs, delayMs }: RecordedAttempt,
): object {
  return {
    eventId,
    type,
    host: new URL(url).host,
    attempt,
    state,
    status: httpStatus,
    durationMs,
    ...(state === "pending" ? { delayMs } : {}),
  };
}

async function attempt(deps: DeliverDeps, due: DueDelivery): Promise<DeliveryOutcome | Postponed> {
  const target = findTarget(deps, due);
  if (typeof target === "string") return { kind: "retry", status: null, detail: target, durationMs: 0 };
  const { origin } = new URL(target.url);
  const delayMs = deps.receivers.admit(origin);
  if (delayMs > 0) return { kind: "postponed", delayMs };
  let wasMute: boolean | null = false;
  try {
    const outcome = await deps.send(target, { id: due.eventId, body: due.body });
    wasMute = outcome.wasMute === undefined ? false : outcome.wasMute;
    return outcome;
  } finally {
    deps.receivers.end(origin, wasMute);
  }
}

/** Where a delivery goes, with what signs it and what opens the door; or why it cannot be made now. */
function findTarget(
  { configured, openAuthorization }: DeliverDeps,
  { url, secret, sealedAuthorization: sealed, endpointId }: DueDelivery,
): DeliveryTarget | string {
  if (secret === null) {
    if (configured === null) return "WEBHOOK_SECRET is not set, so that the message cannot be signed";
    // The operator may have named another receiver since: what opens that one's door is not for this one.
    return { url, secrets: configured.secrets, authorization: configured.url === url ? configured.authorization : null };
  }
  if (sealed === null) return { url, secrets: [secret], authorization: null };
  const authorization = openAuthorization?.(sealed, endpointId) ?? null;
  return authorization === null
    ? "The Authorization header was encrypted with another SECRET_KEY than this worker has; give every process the same one"
    : { url, secrets: [secret], authorization };
}

function toRecord(due: DueDelivery, outcome: DeliveryOutcome, random: number): RecordedAttempt {
  const attemptNumber = due.attempts + 1;
  const common = {
    eventId: due.eventId,
    endpointId: due.endpointId,
    attempt: attemptNumber,
    httpStatus: outcome.status,
    detail: outcome.detail,
    durationMs: Math.round(outcome.durationMs),
    delayMs: 0,
  };
  switch (outcome.kind) {
    case "delivered":
    case "gone":
      return { ...common, state: outcome.kind };
    case "retry":
      if (attemptNumber >= DELIVERY_ATTEMPTS_MAX) return { ...common, state: "failed" };
      return { ...common, state: "pending", delayMs: deliveryRetryDelayMs(attemptNumber, random, outcome.retryAfterMs) };
    default:
      return outcome.kind satisfies never;
  }
}
