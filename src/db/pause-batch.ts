import type { WorstFailure } from "../domain/batch/failure-budget.ts";
import { BATCH_COLUMNS, lockBatch, type BatchRow } from "./batches.ts";
import type { Tx } from "./connection/connect.ts";
import { EVENT_TIME } from "./events.ts";
import { DELAY_LEFT_MS } from "./delay-images.ts";
import { IS_SETTLED, STANDS_STILL } from "./settle-images.ts";

/**
 * Marks a batch as paused and locks it until the transaction ends; null where it is paused already, has ended, or is
 * wholly settled and about to end. Its status stays, since the seed's clients know no word for a paused batch.
 */
export async function markPaused(tx: Tx, batchId: string, reason: string): Promise<BatchRow | null> {
  await lockBatch(tx, batchId);
  const { rows } = await tx.executor.executeSql(
    `update batch set paused_at = ${EVENT_TIME}, pause_reason = $2, sequence = sequence + 1
     where batch_id = $1 and paused_at is null and status in ('pending', 'processing')
       and not ${IS_SETTLED}
     returning ${BATCH_COLUMNS}`,
    [batchId, reason],
  );
  return (rows[0] as BatchRow | undefined) ?? null;
}

/** Pauses a batch of which only held images are left, and which the caller holds locked; null where anything else is. */
export async function markStandingStill(tx: Tx, batchId: string, reason: string): Promise<BatchRow | null> {
  const { rows } = await tx.executor.executeSql(
    `update batch set paused_at = ${EVENT_TIME}, pause_reason = $2, waits_for_hosts = true, sequence = sequence + 1
     where batch_id = $1 and status in ('pending', 'processing') and ${STANDS_STILL} and not ${IS_SETTLED}
     returning ${BATCH_COLUMNS}`,
    [batchId, reason],
  );
  return (rows[0] as BatchRow | undefined) ?? null;
}

/** How many of the last failures are counted; a million more would say the same. */
const FAILURES_MAX = 1_000;

/**
 * The commonest host and code among the last failures that the budget counted. Rows are read back from the last that is planned:
 * where one in a hundred fails, that is some 100,000 rows, once, when a batch is paused.
 */
export async function findWorstFailure(tx: Tx, batchId: string): Promise<WorstFailure | null> {
  const { rows } = await tx.executor.executeSql(
    `with failures as materialized (
       select host, code from image
       where batch_id = $1 and state = 'failed' and same_as is null and code <> 'url_invalid'
         and finished_at > coalesce((select max(created_at) from event where batch_id = $1 and type = 'batch.resumed'), '-infinity')
       order by ordinal desc limit ${FAILURES_MAX}
     )
     select host, code, count(*)::int as failed, (select count(*)::int from failures) as of
     from failures group by host, code order by failed desc, host, code limit 1`,
    [batchId],
  );
  return (rows[0] as WorstFailure | undefined) ?? null;
}

/** A percentage that is not given stays as it is; null takes the budget away. */
export type BudgetChange = { percent?: number | null; hostPercent?: number | null };
type ResumedBatch = BatchRow & { resumedAt: Date };

/**
 * Ends the pause of a batch and of its shares, once: null where neither it nor one of them is paused. Locks it until the
 * transaction ends. All budgets are counted anew: that of the batch from zero, and those of its shares, which can be a million,
 * in another round.
 */
export async function markResumed(tx: Tx, batchId: string, change: BudgetChange): Promise<ResumedBatch | null> {
  const { rows } = await tx.executor.executeSql(
    `update batch set paused_at = null, pause_reason = null, budget_settled = 0, budget_failed = 0, budget_failed_late = 0, budget_come = '{}',
       sequence = sequence + 1, budget_round = sequence + 1, hosts_paused = 0, waits_for_hosts = false, images_due = images_due + images_held, images_held = 0,
       pause_at_failure_percent = case when $2 then $3::smallint else pause_at_failure_percent end,
       pause_host_at_failure_percent = case when $4 then $5::smallint else pause_host_at_failure_percent end
     where batch_id = $1 and (paused_at is not null or hosts_paused > 0) and cancelled_at is null and status in ('pending', 'processing')
     returning ${BATCH_COLUMNS}, ${EVENT_TIME} as "resumedAt"`,
    [batchId, change.percent !== undefined, change.percent ?? null, change.hostPercent !== undefined, change.hostPercent ?? null],
  );
  return (rows[0] as ResumedBatch | undefined) ?? null;
}

/**
 * The images of a batch that are planned, are no repeats and have no live job, in order, with what is left of the delay before
 * their next attempt. Without those in held_image, which can be a million: planning sends them as there is room. Their waiting
 * time counts from now on, without the pause. It is one statement, which sees jobs and images as of one moment: the job that a
 * settle is replacing, or its replacement, and never neither.
 *
 * `not in` hashes the live jobs whatever the statistics say. With `not exists`, and statistics from before the batch, PostgreSQL 15 compared
 * each planned image with each live one, the batch locked meanwhile: 19 s for 200,000 held and 1,000 in hand.
 */
export async function reopenImages(tx: Tx, batchId: string): Promise<{ ordinal: number; delayMs: number }[]> {
  const { rows } = await tx.executor.executeSql(
    `with live as materialized (
       select jsonb_array_elements_text(data->'ordinals')::int as ordinal from pgboss.job
       where name = 'image' and state in ('created', 'retry', 'active') and data->>'batchId' = $1::text
     ), reopened as (
       update image set queued_at = now()
       where batch_id = $1::uuid and state = 'planned' and same_as is null and ordinal not in (select ordinal from live where ordinal is not null)
         and not exists (select 1 from held_image h where h.batch_id = image.batch_id and h.host = image.host and h.ordinal = image.ordinal)
       returning ordinal, not_before
     )
     select ordinal, ${DELAY_LEFT_MS} as "delayMs" from reopened order by ordinal`,
    [batchId],
  );
  return rows as { ordinal: number; delayMs: number }[];
}

export async function recordTag(tx: Tx, batchId: string, tag: number): Promise<void> {
  await tx.executor.executeSql("update batch set tag = $2 where batch_id = $1", [batchId, tag]);
}
