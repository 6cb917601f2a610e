import { sql } from "drizzle-orm";
import { check, jsonb, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { UploadWarning } from "../domain/csv-problem.ts";
import { instant } from "./columns.ts";
import { tenant } from "./schema.ts";

/** Uploads that came with an Idempotency-Key, and what is needed to answer them again; a row comes with its batch and stays with it. */
export const uploadKey = pgTable(
  "upload_key",
  {
    tenantId: uuid("tenant_id")
      .notNull()
      .references(() => tenant.tenantId),
    key: text("key").notNull(),
    /** SHA-256 in hex of the file and its options: another upload under the same key is a mistake. */
    digest: text("digest").notNull(),
    batchId: uuid("batch_id").notNull(),
    warnings: jsonb("warnings").$type<UploadWarning[]>().notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.key] }), check("upload_key_digest", sql`length(digest) = 64`)],
);
