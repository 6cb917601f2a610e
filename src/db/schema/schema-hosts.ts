import { sql } from "drizzle-orm";
import { check, index, integer, jsonb, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { instant, type StoredCome } from "./columns.ts";

/** Shares of batches that have a budget for each host; deleted when the batch ends. Rows change only while their batch is locked. */
export const hostShare = pgTable(
  "host_share",
  {
    batchId: uuid("batch_id").notNull(),
    host: text("host").notNull(),
    /** The batch's budget_round when this was counted. In a later round all but images_held is void. */
    round: integer("round").notNull(),
    settled: integer("settled").notNull().default(0),
    failed: integer("failed").notNull().default(0),
    failedLate: integer("failed_late").notNull().default(0),
    come: jsonb("come").$type<StoredCome>().notNull().default({}),
    /** The batch's `sequence` when this share was resumed by itself: what was claimed before does not count. */
    resumedIn: integer("resumed_in").notNull().default(0),
    pausedAt: instant("paused_at"),
    pauseReason: text("pause_reason"),
    /** How many rows in held_image are its own, whether it is paused or was resumed. */
    imagesHeld: integer("images_held").notNull().default(0),
  },
  (t) => [
    primaryKey({ columns: [t.batchId, t.host] }),
    // Few are paused, however many hosts a batch has.
    index("host_share_held")
      .on(t.batchId, t.host)
      .where(sql`paused_at is not null or images_held > 0`),
    check("host_share_held_count", sql`images_held >= 0`),
  ],
);

/**
 * The held images, and after a resume those that are due until they get a job. In a table of their own, so that batches without
 * such a budget need not write it.
 */
export const heldImage = pgTable(
  "held_image",
  {
    batchId: uuid("batch_id").notNull(),
    host: text("host").notNull(),
    ordinal: integer("ordinal").notNull(),
  },
  (t) => [primaryKey({ columns: [t.batchId, t.host, t.ordinal] })],
);

/**
 * Host pauses, of who shows the host the same credentials (`host` is the key of domain/load/asker.ts): until `paused_until` no process of the fleet
 * asks the host for anything, but for the trials of triesEachBatch (domain/load/host-pause.ts).
 */
export const hostPause = pgTable("host_pause", {
  host: text("host").primaryKey(),
  pausedUntil: instant("paused_until").notNull(),
  /** Until when the host itself asked to be left alone: its pause is of its own asking where that is no earlier than `paused_until`. */
  askedUntil: instant("asked_until"),
  /** The code of the failure that paused it last. */
  reason: text("reason").notNull(),
  /** How many times in a row it was paused because it only failed, or only asked for patience: see domain/load/host-pause.ts. */
  strikes: integer("strikes").notNull().default(0),
  /** When the last strike was, or where there is none, when the row was made. */
  updatedAt: instant("updated_at").notNull().defaultNow(),
});
