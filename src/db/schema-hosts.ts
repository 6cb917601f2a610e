import { sql } from "drizzle-orm";
import { check, index, integer, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

/** One host's images of a batch whose budget is by host; gone when the batch ends. Rows change while their batch is locked. */
export const hostShare = pgTable(
  "host_share",
  {
    batchId: uuid("batch_id").notNull(),
    host: text("host").notNull(),
    /** That of the batch when this was counted; all but images_held is void in a later one. */
    round: integer("round").notNull(),
    settled: integer("settled").notNull().default(0),
    failed: integer("failed").notNull().default(0),
    pausedAt: instant("paused_at"),
    pauseReason: text("pause_reason"),
    /** Its rows in held_image, whether it is paused or was resumed. */
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
 * Planned images of paused shares, which have no job. A table of its own, so that batches without such a budget write no more
 * than before.
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

/** Hosts that nobody in the fleet asks for anything until then. */
export const hostPause = pgTable("host_pause", {
  host: text("host").primaryKey(),
  pausedUntil: instant("paused_until").notNull(),
  /** The code of what the host did last. */
  reason: text("reason").notNull(),
  /** How many times in a row it was paused for failing, or for asking for nothing but patience: see domain/host-pause.ts. */
  strikes: integer("strikes").notNull().default(0),
  /** Of the last strike, or of the row where there is none. */
  updatedAt: instant("updated_at").notNull().defaultNow(),
});
