import { sql } from "drizzle-orm";
import { boolean, check, index, jsonb, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { UploadWarning } from "../../domain/batch/csv-problem.ts";
import { instant } from "./columns.ts";
import { batch, tenant } from "./schema.ts";

/** Uploads that came with an Idempotency-Key, and what it takes to answer them again; a row comes and goes with its batch. */
export const idempotencyKey = pgTable(
  "idempotency_key",
  {
    tenantId: uuid("tenant_id")
      .notNull()
      .references(() => tenant.tenantId),
    name: text("name").notNull(),
    /** Of what the upload asked for (intake/digest-upload.ts): an upload with another digest must not come under the same key. */
    digest: text("digest").notNull(),
    batchId: uuid("batch_id")
      .notNull()
      .references(() => batch.batchId, { onDelete: "cascade" }),
    warnings: jsonb("warnings").$type<UploadWarning[]>().notNull(),
    /** The answer told the webhook's secret, which was made for this upload. */
    toldSecret: boolean("told_secret").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  // The index is asked by the foreign key, when a batch is deleted.
  (t) => [
    primaryKey({ columns: [t.tenantId, t.name] }),
    index("idempotency_key_by_batch").on(t.batchId),
    check("idempotency_key_digest", sql`length(digest) = 64`),
  ],
);
