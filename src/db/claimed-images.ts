import type { Recipe, Refresh } from "../domain/recipe.ts";
import type { Tx } from "./connect.ts";

export type ClaimedImage = {
  batchId: string;
  ordinal: number;
  url: string;
  host: string;
  stem: string;
  attempts: number;
  queuedAt: Date;
  notBefore: Date | null;
  recipe: Recipe;
  isPending: boolean;
  isPaused: boolean;
  hasSourceHeaders: boolean;
  tenantId: string;
  refresh: Refresh;
  /** Somebody may be waiting for each of its images. */
  isOfSmallBatch: boolean;
};

/**
 * The rows behind claimed jobs, in one query. An image that is settled already is missing: its job has nothing to do. One of a
 * paused batch, or of a host that is paused in it, is not to be tried now.
 */
export async function findClaimedImages(tx: Tx, keys: readonly { batchId: string; ordinal: number }[]): Promise<ClaimedImage[]> {
  const values = [keys.map((key) => key.batchId), keys.map((key) => key.ordinal)];
  return (await tx.client.query<ClaimedImage>({ name: "claimed_images", text: CLAIMED, values })).rows;
}

const SMALL_BATCH_IMAGES = 100;

/** Looked at only where the batch has a paused host. */
const IS_HELD = `exists (select 1 from host_share s where s.batch_id = i.batch_id and s.host = i.host and s.paused_at is not null and s.round = b.budget_round)`;

const CLAIMED = `
  select i.batch_id as "batchId", i.ordinal, i.url, i.host, i.stem, i.attempts, i.queued_at as "queuedAt", i.not_before as "notBefore",
    b.recipe, b.status = 'pending' and b.paused_at is null as "isPending", b.paused_at is not null or case when b.hosts_paused > 0 then ${IS_HELD} else false end as "isPaused", b.source_headers is not null as "hasSourceHeaders",
    b.tenant_id as "tenantId", b.refresh, b.images_total <= ${SMALL_BATCH_IMAGES} as "isOfSmallBatch"
  from unnest($1::uuid[], $2::int[]) as k(batch_id, ordinal)
  cross join lateral ( -- offset 0, so that no statistics can turn the look-up into a scan of the batch
    select * from image where batch_id = k.batch_id and ordinal = k.ordinal and state = 'planned' offset 0
  ) i
  join batch b on b.batch_id = k.batch_id and b.status in ('pending', 'processing')`;
