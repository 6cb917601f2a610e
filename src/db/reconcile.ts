import { DELIVERY_RETRY_AFTER_MS_MAX, IMAGE_RETRY_AFTER_MS_MAX } from "../domain/load/backoff.ts";
import type { Tx } from "./connection/connect.ts";
import { IS_SETTLED, STANDS_STILL } from "./settle-images.ts";

/** Drawn once: one reconciler at a time in the whole fleet. */
const RECONCILE_LOCK = "8102099357864912227";
/** What changed within the last minute may still be on its way. */
const STALE = "interval '1 minute'";
/** Only what is not is looked at: older rows, and those from before the clock was set back. */
const isStale = (column: string) => `${column} not between now() - ${STALE} and now() + ${STALE}`;

export async function tryReconcileLock(tx: Tx): Promise<boolean> {
  const { rows } = await tx.client.query<{ locked: boolean }>("select pg_try_advisory_xact_lock($1) as locked", [RECONCILE_LOCK]);
  return rows[0]?.locked ?? false;
}

/**
 * Images that are planned and no repeats, but have no live job: somebody removed it, or a backup was restored. Those of paused
 * batches and held ones have none by intent. As the held ones can be a million, a batch that has any is looked through only
 * where fewer of its images have jobs than count as queued.
 */
export async function listLostImages(tx: Tx, limit: number): Promise<{ batchId: string; ordinal: number; tag: number }[]> {
  const { rows } = await tx.client.query<{ batchId: string; ordinal: number; tag: number }>(
    `with live as materialized (
       select data->>'batchId' as batch_id, jsonb_array_elements_text(data->'ordinals')::int as ordinal
       from pgboss.job where name = 'image' and state in ('created', 'retry', 'active')
     ), queued as materialized (select batch_id, count(*) as images from live group by 1)
     select i.batch_id as "batchId", i.ordinal, b.tag
     from batch b join image i on i.batch_id = b.batch_id and i.state = 'planned' and i.same_as is null
     where b.status in ('pending', 'processing') and b.paused_at is null
       and (b.images_held + b.images_due = 0 or b.images_queued > coalesce((select images from queued where queued.batch_id = b.batch_id::text), 0))
       and ${isStale("i.queued_at")} and (i.not_before is null or i.not_before not between now() - ${STALE} and now() + ${IMAGE_RETRY_AFTER_MS_MAX} * interval '1 ms' + ${STALE})
       and not exists (select 1 from live where live.batch_id = i.batch_id::text and live.ordinal = i.ordinal)
       and (b.images_held + b.images_due = 0 or not exists (
         select 1 from held_image h where h.batch_id = i.batch_id and h.host = i.host and h.ordinal = i.ordinal))
     limit $1`,
    [limit],
  );
  return rows;
}

/**
 * Batches that have something to plan or due images, and few images queued, but no plan job; and batches that are settled, or
 * of which only held images are left, or that were cancelled, without a finish job. A settled batch is listed even while it is paused.
 */
export async function listStalledBatches(tx: Tx, lowWater: number): Promise<{ batchId: string; run: number; isAllQueued: boolean }[]> {
  const { rows } = await tx.client.query<{ batchId: string; run: number; isAllQueued: boolean }>(
    `select b.batch_id as "batchId", b.run, b."isAllQueued" from (select *, cancelled_at is not null or is_planned and images_due = 0 as "isAllQueued", cancelled_at is not null or ${IS_SETTLED} or ${STANDS_STILL} as "isToFinish" from batch) b
     where b.status in ('pending', 'processing') and ${isStale("b.created_at")}
       and case when b."isAllQueued" then b."isToFinish" else b.paused_at is null and b.images_queued < $1 end
       and not exists (
         select 1 from pgboss.job j where j.name = case when b."isAllQueued" then 'finish' else 'plan' end
           and j.state in ('created', 'retry', 'active') and j.data->>'batchId' = b.batch_id::text)`,
    [lowWater],
  );
  return rows;
}

type LostDelivery = { eventId: string; endpointId: string; attempts: number };

export async function listLostDeliveries(tx: Tx, limit: number): Promise<LostDelivery[]> {
  const { rows } = await tx.client.query<LostDelivery>(
    `select d.event_id as "eventId", d.endpoint_id as "endpointId", d.attempts from delivery d
     where d.state = 'pending' and d.next_at not between now() - ${STALE} and now() + ${DELIVERY_RETRY_AFTER_MS_MAX} * interval '1 ms' + ${STALE}
       and not exists (
         select 1 from pgboss.job j where j.name = 'deliver' and j.state in ('created', 'retry', 'active')
           and j.data->>'eventId' = d.event_id::text and j.data->>'endpointId' = d.endpoint_id::text)
     limit $1`,
    [limit],
  );
  return rows;
}

/** Removals without a job. */
export async function listLostRemovals(tx: Tx, limit: number): Promise<{ batchId: string }[]> {
  const { rows } = await tx.client.query<{ batchId: string }>(
    `select batch_id as "batchId" from removed_batch r
     where ${isStale("removed_at")}
       and not exists (
         select 1 from pgboss.job j where j.name = 'remove' and j.state in ('created', 'retry', 'active') and j.data->>'batchId' = r.batch_id::text)
     order by removed_at limit $1`,
    [limit],
  );
  return rows;
}
