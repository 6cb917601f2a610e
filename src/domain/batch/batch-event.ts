export const EVENT_TYPES = [
  "batch.completed",
  "batch.failed",
  "batch.cancelled",
  "batch.paused",
  "batch.resumed",
  "batch.host_paused",
  "batch.host_resumed",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** The events that end a run of a batch: one for each run. */
export const END_EVENTS = ["batch.completed", "batch.failed", "batch.cancelled"] as const satisfies readonly EventType[];

export function isEnd(type: EventType): boolean {
  return END_EVENTS.some((end) => end === type);
}

export const DELIVERY_STATES = ["pending", "delivered", "failed", "gone"] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];
