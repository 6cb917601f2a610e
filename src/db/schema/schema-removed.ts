import { jsonb, pgTable, uuid } from "drizzle-orm/pg-core";
import type { Recipe } from "../../domain/image/recipe.ts";
import { instant } from "./columns.ts";

/** Batches that were removed, from when nobody sees them any more until their files and rows are gone. */
export const removedBatch = pgTable("removed_batch", {
  batchId: uuid("batch_id").primaryKey(),
  tenantId: uuid("tenant_id").notNull(),
  recipe: jsonb("recipe").$type<Recipe>().notNull(),
  removedAt: instant("removed_at").notNull().defaultNow(),
});
