import type { WorstFailure } from "../domain/failure-budget.ts";
import { BATCH_COLUMNS, type BatchRow } from "./batches.ts";
import type { Tx } from "./connect.ts";

/**
 * Marks a batch as paused and locks it until the transaction ends; null where it is paused already, has ended, or is
 * settled whole and about to end. Its status stays: the seed's clients know no other word for a batch that has not ended.
 */
export async function markPaused(tx: Tx, batchId: string, reason: string): Promise<BatchRow | null> {
  const { rows } = await tx.executor.executeSql(
    `update batch set paused_at = now(), pause_reason = $2, sequence = sequence + 1
     where batch_id = $1 and paused_at is null and status in ('pending', 'processing')
       and not (is_planned and images_done + images_failed + images_skipped = images_total)
     returning ${BATCH_COLUMNS}`,
    [batchId, reason],
  );
  return (rows[0] as BatchRow | undefined) ?? null;
}

/** So many of the last failures tell what is wrong; a million more would say the same. */
const FAILURES_MAX = 1_000;

/**
 * The commonest host and code among the last failures that the budget counted. Read from the end of what is planned, so
 * that where one in a hundred fails some 100,000 rows are looked at, once, when a batch is paused.
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

/** The budget stays as it is where `change` is null; a percentage of null takes it away. */
export type BudgetChange = { percent: number | null } | null;
export type ResumedBatch = BatchRow & { resumedAt: Date };

/** Ends a pause, once: null where the batch is not paused. Locks it until the transaction ends. The budget begins anew. */
export async function markResumed(tx: Tx, batchId: string, change: BudgetChange): Promise<ResumedBatch | null> {
  const { rows } = await tx.executor.executeSql(
    `update batch set paused_at = null, pause_reason = null, budget_settled = 0, budget_failed = 0, sequence = sequence + 1,
       pause_at_failure_percent = case when $2 then $3::smallint else pause_at_failure_percent end
     where batch_id = $1 and paused_at is not null and status in ('pending', 'processing')
     returning ${BATCH_COLUMNS}, now() as "resumedAt"`,
    [batchId, change !== null, change?.percent ?? null],
  );
  return (rows[0] as ResumedBatch | undefined) ?? null;
}

/**
 * The planned, unsettled firsts of a batch without a live job, in order, with what is left of the delay before their next
 * try. They wait from now on: the pause is nobody's queueing time. One statement, so that jobs and images are seen as of
 * one moment: what a settle is replacing is seen whole, before or after.
 */
export async function reopenImages(tx: Tx, batchId: string): Promise<{ ordinal: number; delayMs: number }[]> {
  const { rows } = await tx.executor.executeSql(
    `with live as materialized (
       select (data->>'ordinal')::int as ordinal from pgboss.job
       where name = 'image' and state in ('created', 'retry', 'active') and data->>'batchId' = $1::text
     ), reopened as (
       update image set queued_at = now()
       where batch_id = $1::uuid and state = 'planned' and same_as is null and not exists (select 1 from live where live.ordinal = image.ordinal)
       returning ordinal, not_before
     )
     select ordinal, greatest(0, coalesce(extract(epoch from not_before - now()) * 1000, 0))::int as "delayMs" from reopened order by ordinal`,
    [batchId],
  );
  return rows as { ordinal: number; delayMs: number }[];
}

export async function recordTag(tx: Tx, batchId: string, tag: number): Promise<void> {
  await tx.executor.executeSql("update batch set tag = $2 where batch_id = $1", [batchId, tag]);
}
