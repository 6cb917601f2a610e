import type { BudgetCounts, PausedShare } from "../domain/batch/failure-budget.ts";
import { HOST_LENGTH_MAX } from "../domain/load/host-pause.ts";
import type { ImageCode } from "../domain/image/image-code.ts";
import { BATCH_COLUMNS, type BatchRow } from "./batches.ts";
import { freshCome, sumOfCome, withCome, type HandCome } from "./come-images.ts";
import type { Executor, Tx } from "./connection/connect.ts";
import { EVENT_TIME } from "./events.ts";
import { DELAY_LEFT_MS } from "./delay-images.ts";
import { STANDS_STILL, STILL_PLANNED } from "./settle-images.ts";

// Shares of a batch change only while the batch is locked, so that nobody waits in a circle.

export type Share = BudgetCounts & { host: string; isPaused: boolean; imagesHeld: number };

/** What a process has tried of a batch: images that it settles, and those that come well in it (HandCome). */
export type TriedImages = HandCome & { images: readonly { ordinal: number; round: number; isLate: boolean }[] };

/** Adds settled images to the shares of their hosts, tells these what else of theirs comes well in this process, and returns them. */
export async function addToShares(
  tx: Tx,
  { batchId, round, tried }: { batchId: string; round: number; tried: TriedImages },
): Promise<Share[]> {
  const values = [batchId, round, JSON.stringify(tried.images), tried.process, JSON.stringify(tried.come)];
  return (await tx.client.query<Share>({ name: "add_to_shares", text: ADD_TO_SHARES, values })).rows;
}

/** `since`: what was claimed in an earlier round does not count. Of what comes, only that of hosts of which something is settled is looked at. */
const ADD_TO_SHARES = `
  with settled as materialized (
    select i.host, i.state, k.round, k."isLate" from json_to_recordset($3::json) as k(ordinal int, round int, "isLate" boolean)
    cross join lateral (select host, state from image where batch_id = $1 and ordinal = k.ordinal offset 0) i
    where length(i.host) <= ${HOST_LENGTH_MAX}
  ), tried as (
    select host, 1 as settled, (state = 'failed')::int as failed, (state = 'failed' and "isLate")::int as late, 0 as come, round from settled
    union all
    select host, 0, 0, 0, count, round from json_to_recordset($5::json) as c(host text, count int, round int)
    where host = any((select array_agg(host) from settled)::text[])
  ), counted as (
    select t.host, case when t.round >= since then 1 else 0 end as n, t.settled, t.failed, t.late, t.come from tried t
    cross join lateral (
      select greatest($2::int, (select resumed_in from host_share s where s.batch_id = $1 and s.host = t.host)) as since offset 0
    ) share
  )
  insert into host_share as s (batch_id, host, round, settled, failed, failed_late, come)
  select $1, host, $2, sum(n * settled), sum(n * failed), sum(n * late), ${withCome("'{}'::jsonb", "$4::text", "sum(n * come)")}
  from counted group by host
  on conflict (batch_id, host) do update set round = excluded.round,
    settled = excluded.settled + case when s.round = excluded.round then s.settled else 0 end,
    failed = excluded.failed + case when s.round = excluded.round then s.failed else 0 end,
    failed_late = excluded.failed_late + case when s.round = excluded.round then s.failed_late else 0 end,
    come = case when s.round = excluded.round then ${freshCome("s.come")} else '{}' end || excluded.come,
    paused_at = case when s.round = excluded.round then s.paused_at end,
    pause_reason = case when s.round = excluded.round then s.pause_reason end
  returning host, settled, failed, failed_late as "failedLate", ${sumOfCome("come")} as come, paused_at is not null as "isPaused", images_held as "imagesHeld"`;

/** Only so many of the batch's last rows are read, whatever they hold: those before say little of the present. */
const ROWS_MAX = 10_000;

/** The commonest failure of a host among the last rows of its batch; null where there is none. */
export async function findWorstOfHost(
  tx: Tx,
  batchId: string,
  host: string,
): Promise<{ code: ImageCode; failed: number; of: number } | null> {
  const { rows } = await tx.executor.executeSql(
    `with last as materialized (select host, code, state, same_as from image where batch_id = $1 order by ordinal desc limit ${ROWS_MAX}),
     failures as materialized (select code from last where host = $2 and state = 'failed' and same_as is null and code <> 'url_invalid')
     select code, count(*)::int as failed, (select count(*)::int from failures) as of from failures group by code order by failed desc, code limit 1`,
    [batchId, host],
  );
  return (rows[0] as { code: ImageCode; failed: number; of: number } | undefined) ?? null;
}

/** Pauses a share, and holds its images in `ordinals`, which were taken out of the queue. Null where it is paused already. */
export async function markSharePaused(
  tx: Tx,
  { batchId, host, reason, ordinals }: { batchId: string; host: string; reason: string; ordinals: readonly number[] },
): Promise<{ batch: BatchRow; imagesHeld: number; pausedAt: Date } | null> {
  const {
    rows: [kept],
  } = await tx.executor.executeSql(
    `with kept as (
       insert into held_image (batch_id, host, ordinal) select $1::uuid, $2, unnest($4::int[]) on conflict do nothing returning 1
     )
     update host_share set paused_at = ${EVENT_TIME}, pause_reason = $3, images_held = images_held + (select count(*) from kept)
     where batch_id = $1 and host = $2 and paused_at is null
     returning images_held as held, (select count(*)::int from kept) as kept, paused_at as "pausedAt"`,
    [batchId, host, reason, ordinals],
  );
  if (!kept) return null;
  // Images that were still due from an earlier pause of the share are held again.
  const { rows } = await tx.executor.executeSql(
    `update batch set hosts_paused = hosts_paused + 1, images_queued = images_queued - $3, images_held = images_held + $2, images_due = images_due - ($2 - $3), sequence = sequence + 1
     where batch_id = $1 returning ${BATCH_COLUMNS}`,
    [batchId, kept["held"], kept["kept"]],
  );
  const [batch] = rows as BatchRow[];
  return batch ? { batch, imagesHeld: Number(kept["held"]), pausedAt: kept["pausedAt"] as Date } : null;
}

/**
 * Holds those of the given images whose share is paused, and returns their ordinals as `held`. Some may have been held before.
 *
 * `wereQueued` says whether the images counted as queued until now. `left` says what is left in the queue: `queued` images of the
 * batch, after `taken` of them were taken off that count. It is null where no image is newly held.
 */
export async function keepHeldImages(
  tx: Tx,
  { batchId, round, ordinals, wereQueued }: { batchId: string; round: number; ordinals: readonly number[]; wereQueued: boolean },
): Promise<{ held: Set<number>; left: { queued: number; taken: number; standsStill: boolean } | null }> {
  const { rows } = await tx.client.query<{ ordinal: number; isNew: boolean }>({
    name: "keep_held_images",
    text: KEEP_HELD,
    values: [batchId, round, ordinals],
  });
  const isNew = rows.filter((row) => row.isNew).length;
  const held = new Set(rows.map(({ ordinal }) => ordinal));
  if (isNew === 0) return { held, left: null };
  const taken = wereQueued ? isNew : 0;
  const {
    rows: [batch],
  } = await tx.executor.executeSql(
    `update batch set images_held = images_held + $2, images_queued = images_queued - $3 where batch_id = $1
     returning images_queued as queued, ${STANDS_STILL} as "standsStill"`,
    [batchId, isNew, taken],
  );
  return { held, left: { queued: Number(batch?.["queued"]), taken, standsStill: batch?.["standsStill"] === true } };
}

/** The rows of the shares that some images belong to, and how many of these each has; `at` as in SETTLE_IMAGES. */
const sharesOf = (images: string) => `
      select found.at, k.n from (select host, count(*)::int as n from ${images} group by host) k
      cross join lateral (select ctid as at from host_share where batch_id = $1 and host = k.host offset 0) found`;

const KEEP_HELD = `
  with open as (
    select distinct i.host, i.ordinal from unnest($3::int[]) as k(ordinal)
    cross join lateral (select host, ordinal from image where batch_id = $1 and ordinal = k.ordinal and state = 'planned' offset 0) i
    cross join lateral (select paused_at, round from host_share where batch_id = $1 and host = i.host offset 0) s
    where s.paused_at is not null and s.round = $2
  ), kept as (
    insert into held_image (batch_id, host, ordinal) select $1, host, ordinal from open on conflict do nothing returning host, ordinal
  ), counted as (
    update host_share s set images_held = s.images_held + share.n from (${sharesOf("kept")}) share where s.ctid = share.at
  )
  select ordinal, exists (select 1 from kept where kept.ordinal = open.ordinal) as "isNew" from open`;

/** A paused share as it stood until now, and how its batch stands from now on. */
type ResumedShare = { share: PausedShare; batch: BatchRow; resumedAt: Date };

/**
 * Ends the pause of one share; null where it is not paused (any more). Locks its batch. The share's budget is counted anew. `percent`
 * becomes the budget of every share of the batch, unless it is undefined.
 */
export async function markShareResumed(
  tx: Tx,
  batchId: string,
  host: string,
  percent: number | null | undefined,
): Promise<ResumedShare | null> {
  const {
    rows: [locked],
  } = await tx.executor.executeSql(
    "select budget_round as round, sequence from batch where batch_id = $1 and cancelled_at is null and status in ('pending', 'processing') for update",
    [batchId],
  );
  if (!locked) return null;
  const {
    rows: [share],
  } = await tx.executor.executeSql(
    `select host, settled, failed, paused_at as "pausedAt", pause_reason as "pauseReason", images_held as "imagesHeld" from host_share
     where batch_id = $1 and host = $2 and round = $3 and paused_at is not null`,
    [batchId, host, locked["round"]],
  );
  if (!share) return null;
  await tx.executor.executeSql(
    `update host_share set paused_at = null, pause_reason = null, settled = 0, failed = 0, failed_late = 0, come = '{}', resumed_in = $3
     where batch_id = $1 and host = $2`,
    [batchId, host, Number(locked["sequence"]) + 1],
  );
  const {
    rows: [batch],
  } = await tx.executor.executeSql(
    `update batch set hosts_paused = hosts_paused - 1, images_held = images_held - $2, images_due = images_due + $2, sequence = sequence + 1,
       paused_at = case when waits_for_hosts and $2 > 0 then null else paused_at end, pause_reason = case when waits_for_hosts and $2 > 0 then null else pause_reason end,
       waits_for_hosts = waits_for_hosts and $2 = 0,
       pause_host_at_failure_percent = case when $3 then $4::smallint else pause_host_at_failure_percent end
     where batch_id = $1 returning ${BATCH_COLUMNS}, ${EVENT_TIME} as "resumedAt"`,
    [batchId, share["imagesHeld"], percent !== undefined, percent ?? null],
  );
  if (!batch) return null;
  return { share: share as PausedShare, batch: batch as BatchRow, resumedAt: batch["resumedAt"] as Date };
}

type ReleasedImages = { taken: number; images: { ordinal: number; delayMs: number }[] };

/**
 * Takes up to `limit` due images, those of each share in order, with what is left of the delay before their next attempt.
 * Their waiting time counts from now on.
 */
export async function takeDueImages(
  tx: Tx,
  { batchId, round, limit }: { batchId: string; round: number; limit: number },
): Promise<ReleasedImages> {
  const { rows } = await tx.client.query<ReleasedImages>({ name: "take_due_images", text: TAKE_DUE, values: [batchId, round, limit] });
  return rows[0] ?? { taken: 0, images: [] };
}

/** `at` as in SETTLE_IMAGES. */
const TAKE_DUE = `
  with due as (
    select h.at from host_share s
    cross join lateral (select ctid as at from held_image where batch_id = $1 and host = s.host order by ordinal limit $3) h
    where s.batch_id = $1 and s.images_held > 0 and (s.paused_at is null or s.round < $2)
    limit $3
  ), taken as (
    delete from held_image h using due where h.ctid = due.at returning h.host, h.ordinal
  ), counted as (
    update host_share s set images_held = s.images_held - share.n from (${sharesOf("taken")}) share where s.ctid = share.at
  ), open as (
    select found.at from taken t
    cross join lateral (select ctid as at from image where batch_id = $1 and ordinal = t.ordinal and state = 'planned' offset 0) found
  ), reopened as (
    update image i set queued_at = now() from open where i.ctid = open.at and ${STILL_PLANNED}
    returning i.ordinal, ${DELAY_LEFT_MS} as "delayMs"
  )
  select (select count(*)::int from taken) as taken, coalesce((select json_agg(r) from reopened r), '[]') as images`;

/** How many rows are deleted at a time: a batch can have had a million hosts. */
const SWEPT_MAX = 10_000;

/** Deletes the shares of a batch that has ended, and the images that they held. */
export async function sweepShares(db: Executor, batchId: string): Promise<void> {
  for (const table of ["held_image", "host_share"]) {
    let swept = SWEPT_MAX;
    while (swept === SWEPT_MAX) {
      const { rows } = await db.executeSql(
        `with swept as (delete from ${table} where ctid = any(array(select ctid from ${table} where batch_id = $1 limit ${SWEPT_MAX})) returning 1) select count(*)::int as n from swept`,
        [batchId],
      );
      swept = Number(rows[0]?.["n"]);
    }
  }
}
