import { and, eq, sql } from "drizzle-orm";
import type { NodePgDatabase } from "drizzle-orm/node-postgres";
import type { Recipe } from "../domain/recipe.ts";
import type { Tx } from "./connect.ts";
import { batch, endpoint } from "./schema.ts";

export type BatchRow = typeof batch.$inferSelect;
type Queries = Pick<NodePgDatabase, "select" | "update">;

export async function insertBatch(tx: Tx, row: typeof batch.$inferInsert): Promise<void> {
  await tx.orm.insert(batch).values(row);
}

export async function insertEndpoint(tx: Tx, row: typeof endpoint.$inferInsert): Promise<void> {
  await tx.orm.insert(endpoint).values(row);
}

export async function findBatch(orm: Queries, tenantId: string, batchId: string): Promise<BatchRow | null> {
  const [row] = await orm.select().from(batch).where(and(eq(batch.batchId, batchId), eq(batch.tenantId, tenantId)));
  return row ?? null;
}

export async function findBatchByToken(orm: Queries, token: string): Promise<BatchRow | null> {
  const [row] = await orm.select().from(batch).where(eq(batch.token, token));
  return row ?? null;
}

/** What a worker must know of a batch to process its images; it never changes, so that it may be cached. */
export type BatchPlan = { batchId: string; recipe: Recipe };

export async function getBatchPlan(orm: Queries, batchId: string): Promise<BatchPlan | null> {
  const [row] = await orm.select({ batchId: batch.batchId, recipe: batch.recipe }).from(batch).where(eq(batch.batchId, batchId));
  return row ?? null;
}

/** The first claimed image starts its batch; later calls change nothing. */
export async function startBatches(orm: Queries, batchIds: readonly string[]): Promise<void> {
  await orm
    .update(batch)
    .set({ status: "processing", startedAt: sql`now()` })
    .where(and(sql`batch_id = any(${sql.param(batchIds)}::uuid[])`, eq(batch.status, "pending")));
}
