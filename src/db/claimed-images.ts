import type { Recipe, Refresh } from "../domain/image/recipe.ts";
import type { Tx } from "./connection/connect.ts";

export type ClaimedImage = {
  batchId: string;
  ordinal: number;
  url: string;
  host: string;
  stem: string;
  attempts: number;
  /** How long it has been due, by the database's clock alone, so that the clocks of machines need not agree. */
  waitMs: number;
  /** It must not be tried now, since its batch or its share is paused. */
  isPaused: boolean;
  batch: ClaimedBatch;
};

/** What all images of a batch have in common: one object, which all that are claimed together share. */
type ClaimedBatch = {
  batchId: string;
  tenantId: string;
  recipe: Recipe;
  refresh: Refresh;
  isPending: boolean;
  isPaused: boolean;
  /** All of its images are in the queue, or have been. */
  isPlanned: boolean;
  /** The hosts that it has headers for; null where it has none. */
  sourceHosts: string[] | null;
  /** Tells these headers from those of other batches; null where it has none. */
  sourceMark: string | null;
  /** So small that somebody may be waiting for each of its images. */
  isSmall: boolean;
  /** Below the round of a resume that comes later: see budget_round. */
  round: number;
};

type ImageRow = Omit<ClaimedImage, "batch" | "isPaused"> & { isSharePaused: boolean };

/**
 * The rows of the images of claimed jobs. An image that is settled already is missing, since there is nothing to do for it.
 */
export async function findClaimedImages(tx: Tx, keys: readonly { batchId: string; ordinal: number }[]): Promise<ClaimedImage[]> {
  const batchIds = keys.map((key) => key.batchId);
  const { rows: batches } = await tx.client.query<ClaimedBatch>({
    name: "claimed_batches",
    text: BATCHES,
    values: [[...new Set(batchIds)]],
  });
  const values = [batchIds, keys.map((key) => key.ordinal)];
  const { rows: images } = await tx.client.query<ImageRow>({ name: "claimed_images", text: IMAGES, values });
  const byId = new Map(batches.map((batch) => [batch.batchId, batch]));
  return images.flatMap(({ isSharePaused, ...image }) => {
    const batch = byId.get(image.batchId);
    return batch ? [{ ...image, isPaused: batch.isPaused || isSharePaused, batch }] : [];
  });
}

const SMALL_BATCH_IMAGES = 100;

/** See StoredHeaders in batches.ts. */
export const SOURCE_MARK = "(source_headers::jsonb - 'sealed')::text";

const BATCHES = `
  select batch_id as "batchId", tenant_id as "tenantId", recipe, refresh, status = 'pending' and paused_at is null as "isPending",
    paused_at is not null as "isPaused", is_planned as "isPlanned", (source_headers::jsonb)->'hosts' as "sourceHosts", ${SOURCE_MARK} as "sourceMark",
    images_total <= ${SMALL_BATCH_IMAGES} as "isSmall", greatest(sequence, budget_round) as round
  from batch where batch_id = any($1::uuid[]) and status in ('pending', 'processing')`;

/** Asked only where the batch has a paused share. */
const IS_SHARE_PAUSED = `exists (select 1 from host_share s where s.batch_id = i.batch_id and s.host = i.host and s.paused_at is not null and s.round = b.budget_round)`;

/** The limit of the column is 24.8 days, and a laptop can be off for longer. */
const MS_MAX = 2 ** 31 - 1;

const IMAGES = `
  select i.batch_id as "batchId", i.ordinal, i.url, i.host, i.stem, i.attempts,
    least(${MS_MAX}, greatest(0, extract(epoch from now() - greatest(i.queued_at, i.not_before)) * 1000))::int as "waitMs",
    case when b.hosts_paused > 0 then ${IS_SHARE_PAUSED} else false end as "isSharePaused"
  from unnest($1::uuid[], $2::int[]) as k(batch_id, ordinal)
  cross join lateral ( -- offset 0, so that no statistics can turn the look-up into a scan of the batch
    select * from image where batch_id = k.batch_id and ordinal = k.ordinal and state = 'planned' offset 0
  ) i
  join batch b on b.batch_id = k.batch_id`;
