import { createSourceKey } from "../domain/source-key.ts";
import type { Recipe } from "../domain/recipe.ts";
import type { Executor, Tx } from "./connection/connect.ts";

/** A batch that nobody sees any more, while its rows and files go. */
export type RemovedBatch = { batchId: string; tenantId: string; recipe: Recipe };

/**
 * Takes batches that have ended out of sight, with their events and what was still to be delivered; returns the ids of those. Their
 * products and images go later, page by page: from here on only `removed_batch` knows of them. `skipLocked`: without those that somebody
 * has locked, who would be waited for.
 */
export async function hideBatches(tx: Tx, batchIds: readonly string[], { skipLocked = false } = {}): Promise<string[]> {
  const { rows } = await tx.executor.executeSql(hideSql(skipLocked ? "skip locked" : ""), [batchIds]);
  const hidden = rows.map((row) => String(row["batchId"]));
  await tx.executor.executeSql("delete from event where batch_id = any($1::uuid[])", [hidden]);
  await tx.executor.executeSql("delete from endpoint where batch_id = any($1::uuid[])", [hidden]);
  return hidden;
}

// Locked in the order of ids, as settles do.
const hideSql = (skip: string) => `
  with ended as materialized (
    select batch_id from batch where batch_id = any($1::uuid[]) and finished_at is not null order by batch_id for update ${skip}
  ), gone as (
    delete from batch where batch_id in (select batch_id from ended) returning batch_id, tenant_id, recipe
  )
  insert into removed_batch (batch_id, tenant_id, recipe) select batch_id, tenant_id, recipe from gone returning batch_id as "batchId"`;

/** Those that ended so long ago and of which nothing is to be delivered any more, the oldest first. */
export async function listExpiredBatches(tx: Tx, { days, limit }: { days: number; limit: number }): Promise<string[]> {
  const { rows } = await tx.executor.executeSql(EXPIRED, [days, limit]);
  return rows.map((row) => String(row["batchId"]));
}

// By the index on tenant and time: what began later has not ended earlier.
const EXPIRED = `
  select b.batch_id as "batchId" from tenant t
  cross join lateral (
    select batch_id, created_at from batch
    where tenant_id = t.tenant_id and created_at < now() - $1 * interval '1 day' and finished_at < now() - $1 * interval '1 day'
      and not exists (select 1 from event e join delivery d on d.event_id = e.event_id where e.batch_id = batch.batch_id and d.state = 'pending')
    order by created_at limit $2
  ) b
  order by b.created_at limit $2`;

export async function findRemovedBatch(db: Executor, batchId: string): Promise<RemovedBatch | null> {
  const { rows } = await db.executeSql(
    `select batch_id as "batchId", tenant_id as "tenantId", recipe from removed_batch where batch_id = $1`,
    [batchId],
  );
  return (rows[0] as RemovedBatch | undefined) ?? null;
}

/** How many rows of a table a transaction deletes. */
const PAGE = 5_000;

/** Deletes a page of what is left of it; false once nothing is. */
export async function deletePage(tx: Tx, batch: RemovedBatch): Promise<boolean> {
  if (await deleteImages(tx, batch)) return true;
  if (await deleteProducts(tx, batch.batchId)) return true;
  for (const table of ["held_image", "host_share", "removed_batch"])
    await tx.executor.executeSql(`delete from ${table} where batch_id = $1`, [batch.batchId]);
  return false;
}

async function deleteImages(tx: Tx, { batchId, tenantId, recipe }: RemovedBatch): Promise<boolean> {
  const { rows } = await tx.executor.executeSql(
    `select ordinal, url, state = 'done' and same_as is null as "isSource" from image where batch_id = $1 order by ordinal limit ${PAGE}`,
    [batchId],
  );
  const images = rows as { ordinal: number; url: string; isSource: boolean }[];
  const [first, last] = [images[0], images.at(-1)];
  if (!first || !last) return false;
  const keyOf = createSourceKey(recipe);
  const keys = images.filter(({ isSource }) => isSource).map(({ url }) => keyOf(url));
  await tx.executor.executeSql(FORGET_SOURCES, [tenantId, keys, batchId]);
  for (const table of ["output", "image_attempt", "image"])
    await tx.executor.executeSql(`delete from ${table} where batch_id = $1 and ordinal between $2 and $3`, [
      batchId,
      first.ordinal,
      last.ordinal,
    ]);
  return true;
}

// Locked in the order of keys, as by those that remember sources; what a later batch has made of one stays known.
const FORGET_SOURCES = `
  with locked as materialized (
    select key from known_source where tenant_id = $1 and key = any($2::uuid[]) and batch_id = $3 order by key for update
  )
  delete from known_source where tenant_id = $1 and key = any(array(select key from locked)) and batch_id = $3`;

async function deleteProducts(tx: Tx, batchId: string): Promise<boolean> {
  const { rows } = await tx.executor.executeSql(
    `with page as (select line from product where batch_id = $1 order by line limit ${PAGE}), gone as (
       delete from product where batch_id = $1 and line between (select min(line) from page) and (select max(line) from page) returning 1
     )
     select count(*)::int as deleted from gone`,
    [batchId],
  );
  return Number(rows[0]?.["deleted"]) > 0;
}

/** Those without a job: somebody removed it, or a backup was restored. What changed within the last minute may still be on its way. */
export async function listLostRemovals(tx: Tx, limit: number): Promise<{ batchId: string }[]> {
  const { rows } = await tx.executor.executeSql(
    `select batch_id as "batchId" from removed_batch r
     where removed_at not between now() - interval '1 minute' and now() + interval '1 minute'
       and not exists (
         select 1 from pgboss.job j where j.name = 'remove' and j.state in ('created', 'retry', 'active') and j.data->>'batchId' = r.batch_id::text)
     order by removed_at limit $1`,
    [limit],
  );
  return rows as { batchId: string }[];
}
