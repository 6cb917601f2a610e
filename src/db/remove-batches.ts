import { createSourceKey } from "../domain/image/source-key.ts";
import type { Recipe } from "../domain/image/recipe.ts";
import type { Executor, Tx } from "./connection/connect.ts";

/** A batch that nobody sees any more, while its rows and files go. */
type RemovedBatch = { batchId: string; tenantId: string; recipe: Recipe };

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

/**
 * Deletes the page of its images behind this ordinal, -1 for the first; returns the last one's, or null where there is none. Behind it: rows
 * that are deleted are passed over one by one for as long as somebody has a snapshot open, as a dump has.
 */
export async function deleteImages(tx: Tx, { batchId, tenantId, recipe }: RemovedBatch, after: number): Promise<number | null> {
  const { rows } = await tx.executor.executeSql(
    `select ordinal, url, state = 'done' and same_as is null as "isSource" from image where batch_id = $1 and ordinal > $2 order by ordinal limit ${PAGE}`,
    [batchId, after],
  );
  const images = rows as { ordinal: number; url: string; isSource: boolean }[];
  const last = images.at(-1);
  if (!last) return null;
  const keyOf = createSourceKey(recipe);
  const keys = images.filter(({ isSource }) => isSource).map(({ url }) => keyOf(url));
  await tx.executor.executeSql(FORGET_SOURCES, [tenantId, keys, batchId]);
  for (const table of ["output", "image_attempt", "image"])
    await tx.executor.executeSql(`delete from ${table} where batch_id = $1 and ordinal > $2 and ordinal <= $3`, [
      batchId,
      after,
      last.ordinal,
    ]);
  return last.ordinal;
}

// Locked in the order of keys, as by those that remember sources; what a later batch has made of one stays known.
const FORGET_SOURCES = `
  with locked as materialized (
    select key from known_source where tenant_id = $1 and key = any($2::uuid[]) and batch_id = $3 order by key for update
  )
  delete from known_source where tenant_id = $1 and key = any(array(select key from locked)) and batch_id = $3`;

/** The same with its products, by their line. */
export async function deleteProducts(tx: Tx, { batchId }: RemovedBatch, after: number): Promise<number | null> {
  const { rows } = await tx.executor.executeSql(
    `select max(line) as last from (select line from product where batch_id = $1 and line > $2 order by line limit ${PAGE}) page`,
    [batchId, after],
  );
  const last = rows[0]?.["last"];
  if (typeof last !== "number") return null;
  await tx.executor.executeSql("delete from product where batch_id = $1 and line > $2 and line <= $3", [batchId, after, last]);
  return last;
}

/** All that is left once these are gone; what it was removed by goes with it. */
export async function deleteRest(tx: Tx, { batchId }: RemovedBatch): Promise<void> {
  for (const table of ["held_image", "host_share", "removed_batch"])
    await tx.executor.executeSql(`delete from ${table} where batch_id = $1`, [batchId]);
}
