import type { ImageCode } from "../domain/image/image-code.ts";
import type { OutputFile } from "../domain/batch/product-result.ts";
import { freshCome, sumOfCome, withCome, type HandCome } from "./come-images.ts";
import type { Tx } from "./connection/connect.ts";

export type ImageKey = { batchId: string; ordinal: number };
export type StageMs = { waitMs: number | null; fetchMs: number | null; encodeMs: number | null; storeMs: number | null };

/** What is known of the file that was fetched. */
export type SourceFacts = {
  finalUrl: string;
  httpStatus: number;
  sourceType: string | null;
  sourceBytes: number;
  sha256: string;
  etag: string | null;
  lastModified: string | null;
  sourceWidth: number | null;
  sourceHeight: number | null;
};

/** The quality that was asked for, whatever came of it. */
export type OutputFacts = Omit<OutputFile, "quality" | "encodeMs"> & { quality: number };

export type SettledImage = ImageKey &
  StageMs & {
    state: "done" | "failed";
    code: ImageCode | null;
    detail: string | null;
    /** A span by the clock of the machine that worked it, from which the database tells the time by its own. */
    startedAgoMs: number;
    source: SourceFacts | null;
    /** Of an answer that brought no file. */
    httpStatus?: number | undefined;
    isReused: boolean;
    outputs: (OutputFacts & { encodeMs: number | null })[];
    /** Of its batch, when it was claimed. */
    round: number;
    /** It failed in an encoder. */
    isLate: boolean;
  };

export type CountedImage = ImageKey & {
  state: "done" | "failed";
  isReused: boolean;
  startedAgoMs: number;
  inputBytes: number;
  outputBytes: number;
  round: number;
  isLate: boolean;
};

/**
 * Writes the last outcome of images and their outputs. Only rows that were still `planned` change, and only
 * those are returned to be counted: a second settle of the same image does nothing.
 */
export async function settleImages(tx: Tx, images: readonly SettledImage[]): Promise<CountedImage[]> {
  const rows = images.map(({ source, outputs: _outputs, ...image }, index) => ({ index, ...image, ...source }));
  const outputs = images.flatMap(({ batchId, ordinal, outputs: files }, index) =>
    files.map((file) => ({ index, batchId, ordinal, ...file })),
  );
  const settled = await tx.client.query<{ index: number }>({
    name: "settle_images",
    text: SETTLE_IMAGES,
    values: [JSON.stringify(rows), JSON.stringify(outputs)],
  });
  return settled.rows.flatMap(({ index }) => images.slice(index, index + 1)).map(toCounted);
}

function toCounted({ batchId, ordinal, state, isReused, startedAgoMs, source, outputs, round, isLate }: SettledImage): CountedImage {
  const inputBytes = state === "done" ? (source?.sourceBytes ?? 0) : 0;
  const outputBytes = outputs.reduce((sum, { bytes }) => sum + bytes, 0);
  return { batchId, ordinal, state, isReused, startedAgoMs, inputBytes, outputBytes, round, isLate };
}

/**
 * The guard on the row `i` that an update changes: it is still planned. Not `= 'planned'`, for which the index of planned images
 * could be taken: statistics from before the batch say that it is empty, and all of its rows would be read.
 */
export const STILL_PLANNED = "i.state not in ('done', 'failed', 'cancelled')";

/**
 * When outcomes are written: once for a statement, so that what begins and what ends is told from one moment. Not now(), which is when the
 * transaction began: it has waited for the jobs of its claims since then, and what was begun some span ago would have begun before it was.
 */
export const WRITTEN = "written as (select clock_timestamp() as at)";
export const WRITTEN_AT = "(select at from written)";

/**
 * `at` is where a row lies. It is looked up by key for each image that is given (offset 0 keeps it so), and the row there is
 * updated. A plain join was turned round now and then, by statistics from before the batch: every planned image was compared with
 * every one given, which took 3.9 ms instead of 0.5 on a batch of 3,000, and more the larger the batch. `index` is an image's place
 * among those given: outputs are found by a list of these numbers, since a join of both lists would compare each with each.
 */
const SETTLE_IMAGES = `
  with ${WRITTEN}, given as (
    select s.*, found.at
    from json_to_recordset($1::json) as s(
      index int, "batchId" uuid, ordinal int, state text, code text, detail text, "isReused" boolean, "startedAgoMs" float8,
      "waitMs" int, "fetchMs" int, "encodeMs" int, "storeMs" int, "finalUrl" text, "httpStatus" smallint, "sourceType" text,
      "sourceBytes" bigint, "sourceWidth" int, "sourceHeight" int, sha256 text, etag text, "lastModified" text)
    cross join lateral (
      select ctid as at from image where batch_id = s."batchId" and ordinal = s.ordinal and state = 'planned' offset 0
    ) found
  ), settled as (
    update image i set state = s.state, code = s.code, detail = s.detail, is_reused = s."isReused", attempts = i.attempts + 1, not_before = null,
      started_at = ${WRITTEN_AT} - s."startedAgoMs" * interval '1 ms', finished_at = ${WRITTEN_AT},
      wait_ms = s."waitMs", fetch_ms = s."fetchMs", encode_ms = s."encodeMs", store_ms = s."storeMs",
      final_url = s."finalUrl", http_status = s."httpStatus", source_type = s."sourceType", source_bytes = s."sourceBytes",
      source_width = s."sourceWidth", source_height = s."sourceHeight", sha256 = s.sha256, etag = s.etag, last_modified = s."lastModified"
    from given s where i.ctid = s.at and ${STILL_PLANNED}
    returning s.index
  ), stored as (
    insert into output (batch_id, ordinal, name, file_name, format, width, height, bytes, quality, is_kept, encode_ms)
    select o."batchId", o.ordinal, o.name, o."fileName", o.format, o.width, o.height, o.bytes, o.quality, o."isKept", o."encodeMs"
    from json_to_recordset($2::json) as o(
      index int, "batchId" uuid, ordinal int, name text, "fileName" text, format text, width int, height int, bytes bigint, quality smallint, "isKept" boolean, "encodeMs" int)
    where o.index = any((select array_agg(index) from settled)::int[])
  )
  select index from settled`;

/** Every image of the batch is settled. */
export const IS_SETTLED = "(is_planned and images_done + images_failed + images_skipped = images_total)";
/** Only held images are left, which nobody will try until a resume. */
export const STANDS_STILL = "(paused_at is null and is_planned and images_held > 0 and images_queued = 0 and images_due = 0)";

type CounterChange = {
  batchId: string;
  settledFirsts: number;
  /** What counts for the budget; null leaves it as it is. */
  tried: { images: readonly Pick<CountedImage, "state" | "round" | "isLate">[]; hand: HandCome } | null;
  done: number;
  failed: number;
  reused: number;
  inputBytes: number;
  outputBytes: number;
  /** When the first of these was begun: it starts a batch that was locked at its claim. Null where none was tried. */
  startedAgoMs: number | null;
};
export type CounterState = {
  batchId: string;
  run: number;
  queued: number;
  isPlanned: boolean;
  isSettled: boolean;
  hasRepeats: boolean;
  isPaused: boolean;
  isCancelled: boolean;
  hasDue: boolean;
  standsStill: boolean;
} & Budget;
type Budget = {
  budgetPercent: number | null;
  budgetSettled: number;
  budgetFailed: number;
  budgetFailedLate: number;
  come: number;
  hostPercent: number | null;
  round: number;
  hostsPaused: number;
};

/** Without the hosts, of which a batch can have thousands in hand. */
function byRound(come: HandCome["come"]): { round: number; count: number }[] {
  const counts = new Map<number, number>();
  for (const { round, count } of come) counts.set(round, count + (counts.get(round) ?? 0));
  return [...counts].map(([round, count]) => ({ round, count }));
}

/** What was claimed before the last resume counts in none of these. */
const BUDGET_SUMS = `
          select budget_settled + count(*), budget_failed + count(*) filter (where t.state = 'failed'), budget_failed_late + count(*) filter (where t."isLate")
          from json_to_recordset($9::json) as t(state text, round int, "isLate" boolean) where t.round >= budget_round`;
const BUDGET_COME = withCome(
  freshCome("budget_come"),
  "$10::text",
  "(select coalesce(sum(c.count), 0) from json_to_recordset($11::json) as c(count int, round int) where c.round >= budget_round)",
);

/** Adds to the counters of one batch, which locks it until the transaction ends; called for batches in the order of their ids. */
export async function addToCounters(tx: Tx, change: CounterChange): Promise<CounterState | null> {
  const { rows } = await tx.client.query<CounterState>({
    name: "add_to_counters",
    text: `
      update batch set images_queued = images_queued - $2, images_done = images_done + $3, images_failed = images_failed + $4, images_reused = images_reused + $7,
        input_bytes = input_bytes + $5, output_bytes = output_bytes + $6,
        (budget_settled, budget_failed, budget_failed_late) = (${BUDGET_SUMS}),
        budget_come = case when pause_at_failure_percent is null or $10::text is null then budget_come else ${BUDGET_COME} end,
        status = case when status = 'pending' and $8::float8 is not null then 'processing' else status end,
        started_at = coalesce(started_at, clock_timestamp() - $8::float8 * interval '1 ms')
      where batch_id = $1
      returning batch_id as "batchId", run, images_queued as queued, is_planned as "isPlanned", has_repeats as "hasRepeats",
        ${IS_SETTLED} as "isSettled", paused_at is not null as "isPaused", cancelled_at is not null as "isCancelled",
        pause_at_failure_percent as "budgetPercent", budget_settled as "budgetSettled", budget_failed as "budgetFailed",
        budget_failed_late as "budgetFailedLate", case when pause_at_failure_percent is null then 0 else ${sumOfCome("budget_come")} end as come,
        pause_host_at_failure_percent as "hostPercent", budget_round as round, hosts_paused as "hostsPaused", images_due > 0 as "hasDue", ${STANDS_STILL} as "standsStill"`,
    values: [
      change.batchId,
      change.settledFirsts,
      change.done,
      change.failed,
      change.inputBytes,
      change.outputBytes,
      change.reused,
      change.startedAgoMs,
      JSON.stringify(change.tried?.images ?? []),
      change.tried?.hand.process ?? null,
      JSON.stringify(byRound(change.tried?.hand.come ?? [])),
    ],
  });
  return rows[0] ?? null;
}
