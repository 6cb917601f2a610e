import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { BATCH_OUTCOMES, BATCH_STATUSES, IMAGE_STATES } from "../../domain/batch/batch-state.ts";
import type { CatalogueFacts } from "../../domain/batch/catalogue-facts.ts";
import { IMAGE_CODES, type ImageCode } from "../../domain/image/image-code.ts";
import { REFRESHES, type OutputFormat, type Recipe } from "../../domain/image/recipe.ts";
import { bytes, instant, oneOf, type StoredCome } from "./columns.ts";

// The primary keys of the big tables begin with batch_id, so that they can be partitioned later without changing a query.

/** The clock of fair queueing: the highest tag that has been served. It may be approximate, and a sequence needs no row lock. */
export const virtualTime = pgSequence("image_virtual_time", { startWith: 1, minValue: 1 });

export const tenant = pgTable("tenant", {
  tenantId: uuid("tenant_id").primaryKey(),
  name: text("name").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
});

export const batch = pgTable(
  "batch",
  {
    batchId: uuid("batch_id").primaryKey(),
    tenantId: uuid("tenant_id")
      .notNull()
      .references(() => tenant.tenantId),
    /** 128 random bits: whoever holds a batch's URLs can read its outputs, and nobody can guess one. */
    token: text("token").notNull(),
    status: text("status", { enum: BATCH_STATUSES }).notNull().default("pending"),
    outcome: text("outcome", { enum: BATCH_OUTCOMES }),
    run: integer("run").notNull().default(1),
    recipe: jsonb("recipe").$type<Recipe>().notNull(),
    onInvalid: text("on_invalid", { enum: ["reject", "skip"] }).notNull(),
    /** The client's own JSON about the batch, handed back in status, lists and events. */
    metadata: jsonb("metadata").$type<Record<string, unknown>>().notNull().default({}),
    /** Whether outputs that an earlier batch made of the same URL and recipe may be linked instead of made again. */
    refresh: text("refresh", { enum: REFRESHES }).notNull().default("auto"),
    /** Headers for the origins, encrypted (domain/secret/sealed.ts), beside the names of their hosts: see StoredHeaders in batches.ts. */
    sourceHeaders: text("source_headers"),
    pauseAtFailurePercent: smallint("pause_at_failure_percent"),
    /** The same for each host's share of the batch. */
    pauseHostAtFailurePercent: smallint("pause_host_at_failure_percent"),
    /** Set while nothing new of the batch is tried, until somebody resumes it. */
    pausedAt: instant("paused_at"),
    pauseReason: text("pause_reason"),
    /** Set once somebody cancelled it: it is paused from then on, cannot be resumed, and ends once nothing of it is in hand. */
    cancelledAt: instant("cancelled_at"),
    /** How many images were tried and settled since the upload or the last resume, and how many of those failed. */
    budgetSettled: integer("budget_settled").notNull().default(0),
    budgetFailed: integer("budget_failed").notNull().default(0),
    /** Of those that failed: only in an encoder. */
    budgetFailedLate: integer("budget_failed_late").notNull().default(0),
    /** How many come well in each process: see db/come-images. */
    budgetCome: jsonb("budget_come").$type<StoredCome>().notNull().default({}),
    /** 0 where shares were never counted; with each resume the batch's `sequence` then: what was counted or claimed before is void. */
    budgetRound: integer("budget_round").notNull().default(0),
    hostsPaused: integer("hosts_paused").notNull().default(0),
    /** Images in held_image whose share is paused. */
    imagesHeld: integer("images_held").notNull().default(0),
    /** Images in held_image whose share was resumed, which wait for room in the queue. */
    imagesDue: integer("images_due").notNull().default(0),
    /** It is paused because only held images are left: the first share that is resumed takes it up again. */
    waitsForHosts: boolean("waits_for_hosts").notNull().default(false),
    csvFileName: text("csv_file_name"),
    csvBytes: bytes("csv_bytes").notNull(),
    csvFacts: jsonb("csv_facts").$type<CatalogueFacts>().notNull(),
    products: integer("products").notNull(),
    imagesTotal: integer("images_total").notNull(),
    imagesDone: integer("images_done").notNull().default(0),
    imagesFailed: integer("images_failed").notNull().default(0),
    imagesSkipped: integer("images_skipped").notNull().default(0),
    /** Of those done: linked to what an earlier batch had made. */
    imagesReused: integer("images_reused").notNull().default(0),
    /** Images that have a job and are not settled yet: planning goes on below a low-water mark of them. */
    imagesQueued: integer("images_queued").notNull().default(0),
    /** The line of the last product whose images have rows. */
    plannedLine: integer("planned_line").notNull().default(0),
    isPlanned: boolean("is_planned").notNull().default(false),
    hasRepeats: boolean("has_repeats").notNull().default(false),
    tag: integer("tag").notNull().default(0),
    inputBytes: bytes("input_bytes").notNull().default(0),
    outputBytes: bytes("output_bytes").notNull().default(0),
    sequence: integer("sequence").notNull().default(0),
    createdAt: instant("created_at").notNull().defaultNow(),
    startedAt: instant("started_at"),
    finishedAt: instant("finished_at"),
  },
  (t) => [
    uniqueIndex("batch_token").on(t.token),
    index("batch_by_tenant").on(t.tenantId, t.createdAt),
    index("batch_unfinished")
      .on(t.batchId)
      .where(sql`status in ('pending', 'processing')`),
    check("batch_status", oneOf("status", BATCH_STATUSES)),
    check("batch_outcome", oneOf("outcome", BATCH_OUTCOMES)),
    check("batch_counts", sql`images_done + images_failed + images_skipped <= images_total and images_queued >= 0`),
    check("batch_hosts", sql`hosts_paused >= 0 and images_held >= 0 and images_due >= 0`),
  ],
);

export const product = pgTable(
  "product",
  {
    batchId: uuid("batch_id").notNull(),
    line: integer("line").notNull(),
    /** Ordinal of this product's first image; those of its other images follow. */
    firstOrdinal: integer("first_ordinal").notNull(),
    serial: text("serial").notNull(),
    name: text("name").notNull(),
    /** The serial number made safe for a URL; shared by rows that follow each other with one serial, and by no others. */
    slug: text("slug").notNull(),
    /** The number of the row's first output: 1, or after those of the row above where that has the same serial. */
    firstNumber: integer("first_number").notNull().default(1),
    urls: text("urls").array().notNull(),
    /** The row as it came, so that any machine can give the file back. */
    record: text("record").notNull(),
  },
  (t) => [primaryKey({ columns: [t.batchId, t.line] })],
);

export const image = pgTable(
  "image",
  {
    batchId: uuid("batch_id").notNull(),
    /** Counts the batch's images from 0 in the order of the file. */
    ordinal: integer("ordinal").notNull(),
    line: integer("line").notNull(),
    /** 1-based place in the product's list. */
    position: integer("position").notNull(),
    /** Its outputs' file name without the extension: `{id}-{n}`. */
    stem: text("stem").notNull(),
    /** The URL that is fetched: as it came, or as the rules in url_rules changed it. */
    url: text("url").notNull(),
    urlRules: text("url_rules").array(),
    host: text("host").notNull(),
    state: text("state", { enum: IMAGE_STATES }).notNull().default("planned"),
    /** Of a repeat: the ordinal of the first image with its URL, which alone has a job. */
    sameAs: integer("same_as"),
    /** Its outputs are those of an earlier batch, linked. */
    isReused: boolean("is_reused").notNull().default(false),
    attempts: smallint("attempts").notNull().default(0),
    code: text("code").$type<ImageCode>(),
    detail: text("detail"),
    notBefore: instant("not_before"),
    queuedAt: instant("queued_at").notNull().defaultNow(),
    startedAt: instant("started_at"),
    finishedAt: instant("finished_at"),
    waitMs: integer("wait_ms"),
    fetchMs: integer("fetch_ms"),
    encodeMs: integer("encode_ms"),
    storeMs: integer("store_ms"),
    finalUrl: text("final_url"),
    httpStatus: smallint("http_status"),
    sourceType: text("source_type"),
    sourceBytes: bytes("source_bytes"),
    sourceWidth: integer("source_width"),
    sourceHeight: integer("source_height"),
    sha256: text("sha256"),
    etag: text("etag"),
    lastModified: text("last_modified"),
  },
  (t) => [
    primaryKey({ columns: [t.batchId, t.ordinal] }),
    // Finds a repeated URL while planning; the hash keeps entries at 8 bytes for URLs of any length.
    index("image_first_of_url")
      .on(t.batchId, sql`hashtextextended(url, 0)`)
      .where(sql`same_as is null`),
    index("image_repeats")
      .on(t.batchId, t.sameAs)
      .where(sql`same_as is not null`),
    // The reconciler looks through it: it never holds more than the images of the batches in progress.
    index("image_unsettled")
      .on(t.batchId, t.ordinal)
      .where(sql`state = 'planned'`),
    // Finds a batch's failures for report.failures_by_code. Only they have an entry.
    index("image_failed")
      .on(t.batchId, t.ordinal)
      .where(sql`state = 'failed'`),
    // Finds the last day for report.throughput_hourly among years of images. It takes 32 kB, and nothing measurable of a settle.
    index("image_by_hour")
      .using("brin", sql`date_bin('1 hour', finished_at, '2000-01-01 00:00:00+00')`)
      .with({ autosummarize: true }),
    check("image_state", oneOf("state", IMAGE_STATES)),
    check("image_code", oneOf("code", Object.keys(IMAGE_CODES))),
  ],
);

export const output = pgTable(
  "output",
  {
    batchId: uuid("batch_id").notNull(),
    ordinal: integer("ordinal").notNull(),
    name: text("name").notNull().default("main"),
    fileName: text("file_name").notNull(),
    format: text("format").$type<OutputFormat>().notNull(),
    width: integer("width").notNull(),
    height: integer("height").notNull(),
    bytes: bytes("bytes").notNull(),
    quality: smallint("quality"),
    /** It is the input itself without its metadata, since nothing smaller could be made of it. */
    isKept: boolean("is_kept").notNull().default(false),
    encodeMs: integer("encode_ms"),
  },
  (t) => [primaryKey({ columns: [t.batchId, t.ordinal, t.name] }), uniqueIndex("output_file_name").on(t.batchId, t.fileName)],
);

/** Attempts that failed and were followed by another; an image's last attempt is in its own row. */
export const imageAttempt = pgTable(
  "image_attempt",
  {
    batchId: uuid("batch_id").notNull(),
    ordinal: integer("ordinal").notNull(),
    attempt: smallint("attempt").notNull(),
    code: text("code").$type<ImageCode>().notNull(),
    detail: text("detail").notNull(),
    startedAt: instant("started_at").notNull(),
    finishedAt: instant("finished_at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.batchId, t.ordinal, t.attempt] })],
);

/** The image that last was done for a URL under a recipe, in any batch of a tenant: by it a later batch can reuse its outputs. */
export const knownSource = pgTable(
  "known_source",
  {
    tenantId: uuid("tenant_id")
      .notNull()
      .references(() => tenant.tenantId),
    /** Of URL and recipe: see domain/image/source-key.ts. */
    key: uuid("key").notNull(),
    batchId: uuid("batch_id").notNull(),
    ordinal: integer("ordinal").notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.key] })],
);
