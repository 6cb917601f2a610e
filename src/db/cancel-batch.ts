import { IMAGE_CODES } from "../domain/image/image-code.ts";
import { BATCH_COLUMNS, lockBatch, type BatchRow } from "./batches.ts";
import type { Executor, Tx } from "./connection/connect.ts";
import { EVENT_TIME } from "./events.ts";
import { IS_SETTLED } from "./settle-images.ts";

/**
 * Marks a batch as cancelled and, since nothing of it may be tried any more, as paused; locks it until the transaction ends. Null where
 * that was done before, or where the batch has ended or is wholly settled and about to.
 */
export async function markCancelled(tx: Tx, batchId: string, reason: string): Promise<BatchRow | null> {
  await lockBatch(tx, batchId);
  const { rows } = await tx.executor.executeSql(
    `update batch set cancelled_at = ${EVENT_TIME}, paused_at = coalesce(paused_at, ${EVENT_TIME}), pause_reason = $2
     where batch_id = $1 and cancelled_at is null and status in ('pending', 'processing')
       and not ${IS_SETTLED}
     returning ${BATCH_COLUMNS}`,
    [batchId, reason],
  );
  return (rows[0] as BatchRow | undefined) ?? null;
}

/** How many rows a transaction changes: a million images can be held. */
const SKIPPED_MAX = 10_000;

/**
 * Settles a page of what is left of a cancelled batch of which nothing is in hand; true where more may be left. Planned images end as
 * cancelled; once none is found the batch is settled, and those that were never planned are counted and get no rows. Two that do it at once
 * take turns at the batch, so that neither takes rows that the other is at for the end.
 */
export async function skipPage(tx: Tx, batchId: string): Promise<boolean> {
  const locked = await tx.executor.executeSql(
    "select 1 from batch where batch_id = $1 and cancelled_at is not null and status in ('pending', 'processing') for update",
    [batchId],
  );
  if (locked.rows.length === 0) return false;
  const { rows } = await tx.executor.executeSql(SKIP_PAGE, [batchId, IMAGE_CODES.cancelled.message]);
  // Not those that were changed: one that somebody else changed meanwhile has another ctid, and is left to the next page.
  if (Number(rows[0]?.["found"]) > 0) return true;
  await tx.executor.executeSql(
    `update batch set is_planned = true, images_queued = 0, images_held = 0, images_due = 0, images_skipped = images_total - images_done - images_failed
     where batch_id = $1`,
    [batchId],
  );
  return false;
}

const SKIP_PAGE = `
  with page as materialized (
    select ctid as at from image where batch_id = $1 and state = 'planned' limit ${SKIPPED_MAX}
  ), skipped as (
    update image set state = 'cancelled', code = 'cancelled', detail = $2, not_before = null, finished_at = now()
    where ctid = any(array(select at from page))
  )
  select count(*)::int as found from page`;

/** Whether images of a batch were skipped, among these ordinals. */
export async function hasSkipped(db: Executor, batchId: string, { from, to }: { from: number; to: number }): Promise<boolean> {
  const { rows } = await db.executeSql(
    "select 1 from image where batch_id = $1 and ordinal between $2 and $3 and state = 'cancelled' limit 1",
    [batchId, from, to],
  );
  return rows.length > 0;
}
