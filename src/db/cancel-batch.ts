import { IMAGE_CODES } from "../domain/image-code.ts";
import { BATCH_COLUMNS, type BatchRow } from "./batches.ts";
import type { Executor, Tx } from "./connect.ts";
import { EVENT_TIME } from "./events.ts";
import { IS_SETTLED } from "./settle-images.ts";

/**
 * Marks a batch as cancelled and, since nothing of it may be tried any more, as paused; locks it until the transaction ends. Null where
 * that was done before, or where the batch has ended or is wholly settled and about to.
 */
export async function markCancelled(tx: Tx, batchId: string, reason: string): Promise<BatchRow | null> {
  const { rows } = await tx.executor.executeSql(
    `update batch set cancelled_at = ${EVENT_TIME}, paused_at = coalesce(paused_at, ${EVENT_TIME}), pause_reason = $2
     where batch_id = $1 and cancelled_at is null and status in ('pending', 'processing')
       and not ${IS_SETTLED}
     returning ${BATCH_COLUMNS}`,
    [batchId, reason],
  );
  return (rows[0] as BatchRow | undefined) ?? null;
}

/** How many rows are changed at a time: a million images can be held. */
const SKIPPED_MAX = 10_000;

/**
 * Settles all that is left of a cancelled batch of which nothing is in hand: its planned images end as cancelled, and those that were never
 * planned get no rows. May run twice.
 */
export async function skipOpenImages(db: Executor, batchId: string): Promise<void> {
  let skipped = SKIPPED_MAX;
  while (skipped === SKIPPED_MAX) {
    const { rows } = await db.executeSql(SKIP_PAGE, [batchId, IMAGE_CODES.cancelled.message]);
    skipped = Number(rows[0]?.["n"]);
  }
  await db.executeSql(
    `update batch set is_planned = true, images_queued = 0, images_skipped = images_total - images_done - images_failed
     where batch_id = $1 and cancelled_at is not null and status in ('pending', 'processing')`,
    [batchId],
  );
}

const SKIP_PAGE = `
  with skipped as (
    update image set state = 'cancelled', code = 'cancelled', detail = $2, not_before = null, finished_at = now()
    where ctid = any(array(select ctid from image where batch_id = $1 and state = 'planned' limit ${SKIPPED_MAX}))
      and exists (select 1 from batch where batch_id = $1 and cancelled_at is not null)
    returning 1
  )
  select count(*)::int as n from skipped`;
