import { createSourceKey } from "../domain/image/source-key.ts";
import { SOURCE_MARK, type ClaimedImage } from "./claimed-images.ts";
import type { Tx } from "./connection/connect.ts";
import type { OutputFacts, SourceFacts } from "./settle-images.ts";

/** The outputs that an earlier batch of the tenant made of the same URL, however signed, under the same recipe, and of what file. */
export type KnownSource = {
  batchId: string;
  ordinal: number;
  source: SourceFacts;
  outputs: OutputFacts[];
};

/** A claimed image. `sourceKey` names its URL under its recipe (domain/image/source-key.ts). */
export type SourcedImage = ClaimedImage & { sourceKey: string; known: KnownSource | null };

/** `url`: what was fetched then. `sourceMark`: of the headers that its batch had for its origins. */
type Row = KnownSource & { tenantId: string; key: string; url: string; isReused: boolean; sourceMark: string | null };

/** Looks up what is known of claimed images, in one query for all of them. */
export async function findKnownSources(tx: Tx, claimed: readonly ClaimedImage[]): Promise<SourcedImage[]> {
  const images = [...Map.groupBy(claimed, ({ batch }) => batch)].flatMap(([{ recipe }, ofBatch]) => {
    const keyOf = createSourceKey(recipe);
    return ofBatch.map((image): SourcedImage => ({ ...image, sourceKey: keyOf(image.url), known: null }));
  });
  const asked = images.filter(({ batch }) => batch.refresh === "auto");
  if (asked.length === 0) return images;
  const values = [asked.map(({ batch }) => batch.tenantId), asked.map(({ sourceKey }) => sourceKey)];
  const { rows } = await tx.client.query<Row>({ name: "known_sources", text: KNOWN, values });
  const byKey = new Map(rows.map(({ tenantId, key, ...known }) => [`${tenantId}/${key}`, known]));
  for (const image of asked) image.known = knownTo(image, byKey.get(`${image.batch.tenantId}/${image.sourceKey}`));
  return images;
}

/**
 * What came by headers for its origin is linked without them, or with others, only where the same bytes come: a cache before the origin may
 * answer 304 to whoever asks, and an origin that gives each customer another file under one URL may have no date but that of the URL
 * (RFC 9111 §4.1). So is what came by a link that was signed otherwise, which need not be to the same file. And so is what an attempt has
 * failed for: some servers answer 500 to a condition that they do not understand.
 */
function knownTo({ batchId, url, batch, attempts }: ClaimedImage, found: Omit<Row, "tenantId" | "key"> | undefined): KnownSource | null {
  if (found === undefined) return null;
  const { sourceMark, url: urlThen, isReused, ...known } = found;
  // A file may have one link signed twice. What the batch itself made by the first is none of an earlier one.
  if (known.batchId === batchId && !isReused) return null;
  const mayAskWithCondition = url === urlThen && sourceMark === batch.sourceMark && attempts === 0;
  return mayAskWithCondition ? known : { ...known, source: { ...known.source, etag: null, lastModified: null } };
}

const KNOWN = `
  select k.tenant_id as "tenantId", k.key, k.batch_id as "batchId", k.ordinal, i.url, i."isReused", i.source, o.outputs, b."sourceMark"
  from unnest($1::uuid[], $2::uuid[]) as asked(tenant_id, key)
  cross join lateral ( -- by key, so that no statistics can turn a look-up into a scan; offset 0 keeps it so
    select * from known_source where tenant_id = asked.tenant_id and key = asked.key offset 0
  ) k
  cross join lateral ( -- what a batch had that was removed is not known any more, though its rows may still go
    select ${SOURCE_MARK} as "sourceMark" from batch where batch_id = k.batch_id offset 0
  ) b
  cross join lateral (
    select url, is_reused as "isReused",
      json_build_object('finalUrl', final_url, 'httpStatus', http_status, 'sourceType', source_type, 'sourceBytes', source_bytes, 'sha256', sha256, 'etag', etag, 'lastModified', last_modified, 'sourceWidth', source_width, 'sourceHeight', source_height) as source
    from image where batch_id = k.batch_id and ordinal = k.ordinal and state = 'done' offset 0
  ) i
  cross join lateral (
    select json_agg(json_build_object('name', name, 'fileName', file_name, 'format', format, 'width', width, 'height', height, 'bytes', bytes, 'quality', quality, 'isKept', is_kept)) as outputs
    from output where batch_id = k.batch_id and ordinal = k.ordinal
  ) o
  where o.outputs is not null`;

export type NewSource = {
  tenantId: string;
  key: string;
  batchId: string;
  ordinal: number;
};

/** Remembers where the newest outputs of URLs lie. Rows are locked in the order of keys, always, so that nobody waits in a circle. */
export async function rememberSources(tx: Tx, sources: readonly NewSource[]): Promise<void> {
  if (sources.length === 0) return;
  await tx.client.query({ name: "remember_sources", text: REMEMBER, values: [JSON.stringify(sources)] });
}

const REMEMBER = `
  insert into known_source (tenant_id, key, batch_id, ordinal)
  select distinct on ("tenantId", key) "tenantId", key, "batchId", ordinal
  from json_to_recordset($1::json) as s("tenantId" uuid, key uuid, "batchId" uuid, ordinal int)
  order by "tenantId", key, "batchId" desc
  on conflict (tenant_id, key) do update set batch_id = excluded.batch_id, ordinal = excluded.ordinal`;
