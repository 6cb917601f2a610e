import type { Tx } from "./connection/connect.ts";
import type { UrlRule } from "../domain/url/clean-image-url.ts";
import type { ImageCode } from "../domain/image/image-code.ts";
import { IS_SETTLED, STANDS_STILL, STILL_PLANNED, WRITTEN, WRITTEN_AT } from "./settle-images.ts";

export type PlanState = {
  plannedLine: number;
  isPlanned: boolean;
  queued: number;
  tag: number;
  baseUrl: string | null;
  round: number;
  hostsPaused: number;
  due: number;
};
export type PlannedProduct = { line: number; firstOrdinal: number; slug: string; firstNumber: number; urls: string[] };
export type PlannedImage = {
  ordinal: number;
  line: number;
  position: number;
  stem: string;
  url: string;
  host: string;
  /** The rules that changed the URL; empty where it is fetched as it came. */
  urlRules: readonly UrlRule[];
  /** Set where the URL cannot be fetched at all: the image is settled as it is planned. */
  invalid: { code: ImageCode; detail: string } | null;
};

/** Locks the batch, so that its pages are planned one after the other. Null where it has ended or is paused. */
export async function lockPlan(tx: Tx, batchId: string): Promise<PlanState | null> {
  const { rows } = await tx.client.query<PlanState>({
    name: "lock_plan",
    text: `select planned_line as "plannedLine", is_planned as "isPlanned", images_queued as queued, tag,
             csv_facts->>'baseUrl' as "baseUrl", budget_round as round, hosts_paused as "hostsPaused", images_due as due
           from batch where batch_id = $1 and status in ('pending', 'processing') and paused_at is null for update`,
    values: [batchId],
  });
  return rows[0] ?? null;
}

export async function listProductsToPlan(tx: Tx, batchId: string, afterLine: number, limit: number): Promise<PlannedProduct[]> {
  const { rows } = await tx.client.query<PlannedProduct>({
    name: "products_to_plan",
    text: `select line, first_ordinal as "firstOrdinal", slug, first_number as "firstNumber", urls from product
           where batch_id = $1 and line > $2 order by line limit $3`,
    values: [batchId, afterLine, limit],
  });
  return rows;
}

/**
 * Inserts image rows; returns the ordinals of those that need a job, and how many are repeats, which take over the state of
 * their first by settleRepeats().
 */
export async function insertImages(
  tx: Tx,
  batchId: string,
  images: readonly PlannedImage[],
): Promise<{ ordinals: number[]; repeats: number }> {
  const { rows } = await tx.client.query<{ ordinal: number; sameAs: number | null }>({
    name: "insert_images",
    text: INSERT_IMAGES,
    values: [
      batchId,
      JSON.stringify(images.map((image) => ({ ...image, invalid: undefined, code: image.invalid?.code, detail: image.invalid?.detail }))),
    ],
  });
  const firsts = rows.filter((row) => row.sameAs === null);
  return { ordinals: firsts.map((row) => row.ordinal), repeats: rows.length - firsts.length };
}

const INSERT_IMAGES = `
  with planned as (
    select p.*, min(p.ordinal) over (partition by p.url) as first_here
    from json_to_recordset($2::json) as p(
      ordinal int, line int, position int, stem text, url text, "urlRules" json, host text, code text, detail text)
  ), placed as (
    select p.*, case when p.code is null
      then coalesce(f.ordinal, nullif(p.first_here, p.ordinal)) end as same_as
    from planned p
    -- With this order and a range of one value only image_first_of_url fits: by any other index all of the batch was read for each.
    left join lateral (
      select i.ordinal from image i where i.batch_id = $1 and i.same_as is null and i.url = p.url
        and hashtextextended(i.url, 0) between hashtextextended(p.url, 0) and hashtextextended(p.url, 0)
      order by hashtextextended(i.url, 0) limit 1
    ) f on true
  ), inserted as (
    insert into image (batch_id, ordinal, line, position, stem, url, url_rules, host, same_as, state, code, detail, finished_at)
    select $1, ordinal, line, position, stem, url,
      case when json_array_length("urlRules") > 0 then array(select json_array_elements_text("urlRules")) end, host, same_as,
      case when code is null then 'planned' else 'failed' end, code, detail,
      case when code is null then null else now() end
    from placed
    returning ordinal, same_as, code
  )
  select ordinal, same_as as "sameAs" from inserted where code is null order by ordinal`;

type RepeatCounts = { done: number; failed: number };

/** Gives repeats the state of their first where that is settled; returns what the counters must grow by. */
export async function settleRepeats(
  tx: Tx,
  batchId: string,
  scope: { firsts: number[] } | { ordinalFrom: number; ordinalTo: number },
): Promise<RepeatCounts> {
  const { rows } =
    "firsts" in scope
      ? await tx.client.query<RepeatCounts>({ name: "settle_repeats_of", text: SETTLE_REPEATS_OF, values: [batchId, scope.firsts] })
      : await tx.client.query<RepeatCounts>({
          name: "settle_repeats_in",
          text: SETTLE_REPEATS_IN,
          values: [batchId, scope.ordinalFrom, scope.ordinalTo],
        });
  return rows[0] ?? { done: 0, failed: 0 };
}

/**
 * `at` as in SETTLE_IMAGES. By statistics from before the batch, all of its repeats were read, and the first of each was looked for
 * among all settled images. That a repeat is still planned is asked outside of its look-up, which could otherwise take another index.
 */
const settleRepeatsSql = (found: string) => `
  with ${WRITTEN}, found as (${found}
  ), settled as (
    update image i set state = f.state, code = f.code, detail = f.detail, finished_at = ${WRITTEN_AT}
    from found f where i.ctid = f.at and ${STILL_PLANNED}
    returning i.state
  )
  select count(*) filter (where state = 'done')::int as done, count(*) filter (where state = 'failed')::int as failed from settled`;

const FIRST = "select state, code, detail from image where batch_id = $1 and state in ('done', 'failed')";

/** With this order and a range of one value only the index of repeats fits: by any other all of the batch would be read and sorted. */
const SETTLE_REPEATS_OF = settleRepeatsSql(`
    select r.at, first.* from unnest($2::int[]) as k(ordinal)
    cross join lateral (${FIRST} and ordinal = k.ordinal offset 0) first
    cross join lateral (
      select ctid as at from image where batch_id = $1 and same_as between k.ordinal and k.ordinal order by same_as offset 0
    ) r`);

const SETTLE_REPEATS_IN = settleRepeatsSql(`
    select r.at, first.* from generate_series($2::int, $3::int) as k(ordinal)
    cross join lateral (select ctid as at, same_as from image where batch_id = $1 and ordinal = k.ordinal offset 0) r
    cross join lateral (${FIRST} and ordinal = r.same_as offset 0) first`);

type PlanProgress = {
  plannedLine: number;
  isPlanned: boolean;
  tag: number;
  queued: number;
  hasRepeats: boolean;
  done: number;
  failed: number;
};

/**
 * Writes the page's progress on the batch. `isSettled`: every image is settled with it (as in a batch of invalid URLs).
 * `standsStill`: only held images are left.
 */
export async function recordPlan(
  tx: Tx,
  batchId: string,
  page: PlanProgress,
): Promise<{ isSettled: boolean; standsStill: boolean; run: number }> {
  const { rows } = await tx.client.query<{ isSettled: boolean; standsStill: boolean; run: number }>({
    name: "record_plan",
    text: `
      update batch set planned_line = $2, is_planned = $3, tag = $4, images_queued = images_queued + $5,
        has_repeats = has_repeats or $6, images_done = images_done + $7, images_failed = images_failed + $8
      where batch_id = $1
      returning ${IS_SETTLED} as "isSettled", ${STANDS_STILL} as "standsStill", run`,
    values: [batchId, page.plannedLine, page.isPlanned, page.tag, page.queued, page.hasRepeats, page.done, page.failed],
  });
  return rows[0] ?? { isSettled: false, standsStill: false, run: 1 };
}

/** Records how many due images left held_image, and how many of them are queued now. */
export async function recordRelease(
  tx: Tx,
  batchId: string,
  release: { taken: number; queued: number; tag: number },
): Promise<{ standsStill: boolean; run: number }> {
  const { rows } = await tx.client.query<{ standsStill: boolean; run: number }>({
    name: "record_release",
    text: `update batch set images_due = images_due - $2, images_queued = images_queued + $3, tag = $4 where batch_id = $1
           returning ${STANDS_STILL} as "standsStill", run`,
    values: [batchId, release.taken, release.queued, release.tag],
  });
  return rows[0] ?? { standsStill: false, run: 1 };
}

/**
 * Moves the clock of fair queueing forward to the tag at the head of the queue, and reads it. A batch that begins moves it on by
 * one, so that batches that begin later come after it, and a thousand small ones leave every other tag to a large one.
 */
export async function advanceVirtualTime(tx: Tx, headTag: number | null, { isBeginning }: { isBeginning: boolean }): Promise<number> {
  const step = isBeginning ? 1 : 0;
  const { rows } = await tx.client.query<{ tag: number }>({
    name: "advance_virtual_time",
    text: `select (setval('image_virtual_time', greatest(last_value, $1::bigint) + $2) - $2)::float8 as tag from image_virtual_time`,
    values: [Math.max(1, headTag ?? 1), step],
  });
  return rows[0]?.tag ?? 1;
}
