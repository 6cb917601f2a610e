import { sql } from "drizzle-orm";
import { check, foreignKey, index, integer, pgTable, primaryKey, smallint, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { DELIVERY_STATES, END_EVENTS, EVENT_TYPES } from "../../domain/batch/batch-event.ts";
import { WEBHOOK_PAYLOADS } from "../../domain/batch/seed-payload.ts";
import { instant, oneOf } from "./columns.ts";
import { tenant } from "./schema.ts";

/** Where a batch's events are sent. */
export const endpoint = pgTable(
  "endpoint",
  {
    endpointId: uuid("endpoint_id").primaryKey(),
    tenantId: uuid("tenant_id")
      .notNull()
      .references(() => tenant.tenantId),
    batchId: uuid("batch_id"),
    url: text("url").notNull(),
    /** Null: signed with WEBHOOK_SECRET, which the configuration keeps. */
    secret: text("secret"),
    /** The Authorization header that goes with every delivery, encrypted (domain/secret/sealed.ts). */
    sealedAuthorization: text("sealed_authorization"),
    payload: text("payload", { enum: WEBHOOK_PAYLOADS }).notNull().default("event"),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (t) => [index("endpoint_by_batch").on(t.batchId), check("endpoint_payload", oneOf("payload", WEBHOOK_PAYLOADS))],
);

export const event = pgTable(
  "event",
  {
    /** Sent as `webhook-id`, the same at every attempt, so that a receiver can drop a repetition. */
    eventId: uuid("event_id").primaryKey(),
    batchId: uuid("batch_id").notNull(),
    run: integer("run").notNull(),
    type: text("type", { enum: EVENT_TYPES }).notNull(),
    sequence: integer("sequence").notNull(),
    /** The exact bytes that are signed and sent, unless the delivery has a body of its own. */
    body: text("body").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (t) => [
    // A run ends once, but can be paused and resumed any number of times.
    uniqueIndex("event_once").on(t.batchId, t.run, t.type).where(oneOf("type", END_EVENTS)),
    uniqueIndex("event_sequence").on(t.batchId, t.sequence),
    check("event_type", oneOf("type", EVENT_TYPES)),
  ],
);

export const delivery = pgTable(
  "delivery",
  {
    eventId: uuid("event_id")
      .notNull()
      .references(() => event.eventId, { onDelete: "cascade" }),
    endpointId: uuid("endpoint_id")
      .notNull()
      .references(() => endpoint.endpointId),
    state: text("state", { enum: DELIVERY_STATES }).notNull().default("pending"),
    /** What is sent to an endpoint with another payload; null: the event's own body. */
    ownBody: text("own_body"),
    attempts: smallint("attempts").notNull().default(0),
    nextAt: instant("next_at").notNull().defaultNow(),
    settledAt: instant("settled_at"),
  },
  (t) => [
    primaryKey({ columns: [t.eventId, t.endpointId] }),
    // Asked by the foreign key, when an endpoint is deleted with its batch.
    index("delivery_by_endpoint").on(t.endpointId),
    index("delivery_pending")
      .on(t.nextAt)
      .where(sql`state = 'pending'`),
    check("delivery_state", oneOf("state", DELIVERY_STATES)),
  ],
);

export const deliveryAttempt = pgTable(
  "delivery_attempt",
  {
    eventId: uuid("event_id").notNull(),
    endpointId: uuid("endpoint_id").notNull(),
    attempt: smallint("attempt").notNull(),
    attemptedAt: instant("attempted_at").notNull().defaultNow(),
    httpStatus: smallint("http_status"),
    detail: text("detail").notNull(),
    durationMs: integer("duration_ms").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.eventId, t.endpointId, t.attempt] }),
    foreignKey({ columns: [t.eventId, t.endpointId], foreignColumns: [delivery.eventId, delivery.endpointId] }).onDelete("cascade"),
  ],
);
