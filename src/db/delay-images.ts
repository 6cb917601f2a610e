import { IMAGE_RETRY_AFTER_MS_MAX } from "../domain/load/backoff.ts";
import type { ImageCode } from "../domain/image/image-code.ts";
import type { Tx } from "./connection/connect.ts";
import { STILL_PLANNED, WRITTEN, WRITTEN_AT, type ImageKey } from "./settle-images.ts";

export type FailedAttempt = ImageKey & { code: ImageCode; detail: string; startedAgoMs: number; delayMs: number };

/**
 * Records attempts that will be followed by another. Only rows that were still `planned` change, and only the attempts at those
 * are returned, one for each image: an image that was settled meanwhile needs no further attempt.
 */
export async function recordRetries<Attempt extends FailedAttempt>(tx: Tx, attempts: readonly Attempt[]): Promise<Attempt[]> {
  if (attempts.length === 0) return [];
  const retried = await tx.client.query<{ index: number }>({
    name: "record_retries",
    text: RECORD_RETRIES,
    values: [JSON.stringify(attempts.map(toRow))],
  });
  return retried.rows.flatMap(({ index }) => attempts.slice(index, index + 1));
}

function toRow({ batchId, ordinal, code, detail, startedAgoMs, delayMs }: FailedAttempt, index: number): object {
  return { index, batchId, ordinal, code, detail, startedAgoMs, delayMs };
}

/** `at` as in SETTLE_IMAGES (settle-images.ts). */
const RECORD_RETRIES = `
  with ${WRITTEN}, given as (
    select r.*, found.at
    from json_to_recordset($1::json) as r(
      index int, "batchId" uuid, ordinal int, code text, detail text, "startedAgoMs" float8, "delayMs" int)
    cross join lateral (
      select ctid as at from image where batch_id = r."batchId" and ordinal = r.ordinal and state = 'planned' offset 0
    ) found
  ), retried as (
    update image i set attempts = i.attempts + 1, code = r.code, detail = r.detail, not_before = now() + r."delayMs" * interval '1 ms'
    from given r where i.ctid = r.at and ${STILL_PLANNED}
    returning i.batch_id, i.ordinal, i.attempts, r.code, r.detail, r."startedAgoMs", r.index
  ), recorded as (
    insert into image_attempt (batch_id, ordinal, attempt, code, detail, started_at, finished_at)
    select batch_id, ordinal, attempts, code, detail, ${WRITTEN_AT} - "startedAgoMs" * interval '1 ms', ${WRITTEN_AT} from retried
  )
  select index from retried`;

/**
 * Images that were not tried and wait for a time, as their jobs do: they are not due before it. Images that were settled meanwhile are left
 * as they are.
 */
export async function delayImages(tx: Tx, images: readonly (ImageKey & { delayMs: number })[]): Promise<void> {
  if (images.length === 0) return;
  const given = images.map(({ batchId, ordinal, delayMs }) => ({ batchId, ordinal, delayMs }));
  await tx.client.query({ name: "delay_images", text: DELAY_IMAGES, values: [JSON.stringify(given)] });
}

/** `at` as in SETTLE_IMAGES (settle-images.ts). Waits for nobody: the time stands in the job as well, and here only for those who read it. */
const DELAY_IMAGES = `
  with given as (
    select d."delayMs", found.at from json_to_recordset($1::json) as d("batchId" uuid, ordinal int, "delayMs" float8)
    cross join lateral (
      select ctid as at from image where batch_id = d."batchId" and ordinal = d.ordinal and state = 'planned' for no key update skip locked
    ) found
  )
  update image i set not_before = now() + d."delayMs" * interval '1 ms' from given d where i.ctid = d.at and ${STILL_PLANNED}`;

/** How long an image that gets a new job still has to wait: no longer than a host can ask for, where the clock was set back since. */
export const DELAY_LEFT_MS = `least(${IMAGE_RETRY_AFTER_MS_MAX}, greatest(0, coalesce(extract(epoch from not_before - now()) * 1000, 0)))::int`;
