import type { ImageState } from "../domain/batch/batch-state.ts";
import type { UrlRule } from "../domain/url/clean-image-url.ts";
import { IMAGE_CODES, type ImageCode } from "../domain/image/image-code.ts";
import type { ImageResult, OutputFile, ProductResult, RecordedProduct } from "../domain/batch/product-result.ts";
import { BatchRemovedError } from "./batches.ts";
import type { Executor } from "./connection/connect.ts";

type ProductRow = Omit<ProductResult, "images"> & { firstOrdinal: number };
type RecordRow = ProductRow & Pick<RecordedProduct, "record">;
type ImageRow = {
  outputs: OutputFile[] | null;
  ordinal: number;
  state: ImageState;
  url: string;
  urlRules: UrlRule[] | null;
  code: ImageCode | null;
  detail: string | null;
};

/** A page has fewer products than were asked for where they have more images than this together: one can have a thousand. */
const PAGE_IMAGES_MAX = 20_000;
/**
 * The same where what is read of them, in the database's encoding, is longer than this together: a row can have a million characters, and
 * 1,000 of them took 4.3 GB of memory. A row that has more by itself is a page. The usual ones, of 2 kB, are 16 MB in 8,000.
 */
const PAGE_BYTES_MAX = 16 * 1024 * 1024;
/** How many products are in memory at once while all of a batch is read. */
const PAGE_PRODUCTS = 500;

/** `nextLine` is where the next page begins, null on the last. */
export type ProductPage<P extends ProductResult = ProductResult> = { products: P[]; nextLine: number | null };
type Asked = { afterLine: number; limit: number };

/** All of a batch's products, page by page in the order of the file. */
export function productPages(db: Executor, batchId: string): AsyncGenerator<ProductResult[], void> {
  return pagesOf((page) => listProducts(db, batchId, page));
}

/** The same with the rows of the file. */
export function recordPages(db: Executor, batchId: string): AsyncGenerator<RecordedProduct[], void> {
  return pagesOf((page) => readPage<RecordRow>(db, RECORDS, batchId, page));
}

/** At most `limit` products of a batch in the order of the file, with the results of their images. */
export function listProducts(db: Executor, batchId: string, page: Asked): Promise<ProductPage> {
  return readPage<ProductRow>(db, PRODUCTS, batchId, page);
}

async function* pagesOf<P extends ProductResult>(read: (page: Asked) => Promise<ProductPage<P>>): AsyncGenerator<P[], void> {
  for (let afterLine: number | null = 0; afterLine !== null;) {
    const page: ProductPage<P> = await read({ afterLine, limit: PAGE_PRODUCTS });
    // Each has one product at least, and was said to have more where this is not the first page.
    if (page.products.length === 0) throw new BatchRemovedError();
    yield page.products;
    afterLine = page.nextLine;
  }
}

type PageOf<R> = { products: (Omit<R, "firstOrdinal"> & Pick<ProductResult, "images">)[]; nextLine: number | null };

async function readPage<R extends ProductRow>(db: Executor, sql: string, batchId: string, page: Asked): Promise<PageOf<R>> {
  const { rows } = await db.executeSql(sql, [batchId, page.afterLine, page.limit, PAGE_IMAGES_MAX, PAGE_BYTES_MAX]);
  const products = rows as R[];
  const first = products[0];
  const last = products.at(-1);
  if (!first || !last) return { products: [], nextLine: null };
  const span = [batchId, first.firstOrdinal, last.firstOrdinal + last.urls.length - 1];
  const images = (await db.executeSql(IMAGES, span)).rows as ImageRow[];
  const byOrdinal = new Map(images.map((image) => [image.ordinal, resultOf(image)]));
  const { hasMore, isThere, isCancelled } = (await db.executeSql(AROUND, [batchId, last.line])).rows[0] as {
    hasMore: boolean;
    isThere: boolean;
    isCancelled: boolean;
  };
  // Its rows go after it: where it is still there, so was all that was read.
  if (!isThere) throw new BatchRemovedError();
  const results = products.map(({ firstOrdinal, ...product }) => ({
    ...product,
    images: product.urls.map((_, index) => byOrdinal.get(firstOrdinal + index) ?? (isCancelled ? NEVER_PLANNED : NOT_PLANNED)),
  }));
  return { products: results, nextLine: hasMore ? last.line : null };
}

const AROUND = `select exists (select 1 from product where batch_id = $1 and line > $2) as "hasMore",
  exists (select 1 from batch where batch_id = $1) as "isThere",
  exists (select 1 from batch where batch_id = $1 and cancelled_at is not null) as "isCancelled"`;

const NOT_PLANNED: ImageResult = { fetchedUrl: null, urlRules: [], outputs: [], error: null };
/** Of a cancelled batch. */
const NEVER_PLANNED: ImageResult = { ...NOT_PLANNED, error: { code: "cancelled", message: IMAGE_CODES.cancelled.message } };

// Products whose first image is PAGE_IMAGES_MAX or more behind the page's first image are left to the next page, and so are those behind
// PAGE_BYTES_MAX. They are counted off first: in one condition with the batch, a page that they fill would be looked for to the batch's end.
const productsSql = ({
  record,
  bytes,
}: {
  record: string;
  bytes: string;
}) => `select line, "firstOrdinal", serial, name, urls${record} from (
    select *, coalesce(sum(${bytes}) over (rows between unbounded preceding and 1 preceding), 0) as "bytesBefore" from (
      select line, first_ordinal as "firstOrdinal", serial, name, urls${record} from product
      where batch_id = $1 and line > $2 order by line limit $3
    ) counted
  ) page
  where "firstOrdinal" < (select first_ordinal from product where batch_id = $1 and line > $2 order by line limit 1) + $4
    and "bytesBefore" < $5
  order by line`;

const PRODUCTS = productsSql({ record: "", bytes: "octet_length(serial) + octet_length(name) + octet_length(array_to_string(urls, ''))" });
// All of the others stand in the record. Its length is known without unpacking it, which length(), in characters, would have to.
const RECORDS = productsSql({ record: ", record", bytes: "octet_length(record)" });

// The quality that was asked for stands in every row; a PNG of 100 is lossless (image/encode/compress.ts).
const QUALITY = "case when not is_kept and not (format = 'png' and quality = 100) then quality end";

// Rows that were linked before these had no time hold 0: report.outputs (migrations/0024) goes by the image as well. A repeat's own row
// does not say that its first was reused.
const ENCODE_MS =
  "case when not coalesce((select is_reused from image where batch_id = i.batch_id and ordinal = i.same_as), i.is_reused) then encode_ms end";

// A repeat has no outputs of its own, and shows those of the first image with its URL.
const IMAGES = `select i.ordinal, i.state, i.url, i.url_rules as "urlRules", i.code, i.detail, o.outputs
  from image i
  left join lateral ( -- by key, so that no statistics can turn the look-up into a scan of the batch
    select json_agg(json_build_object('name', name, 'fileName', file_name, 'format', format, 'width', width, 'height', height, 'bytes', bytes, 'quality', ${QUALITY},
      'isKept', is_kept, 'encodeMs', ${ENCODE_MS})) as outputs
    from output where batch_id = i.batch_id and ordinal = coalesce(i.same_as, i.ordinal)
  ) o on i.state = 'done'
  where i.batch_id = $1 and i.ordinal between $2 and $3`;

function resultOf(image: ImageRow): ImageResult {
  const { state } = image;
  const known = { fetchedUrl: image.code === "url_invalid" ? null : image.url, urlRules: image.urlRules ?? [], outputs: [], error: null };
  switch (state) {
    case "planned":
      return known;
    case "done":
      return { ...known, outputs: image.outputs ?? [] };
    case "failed":
    case "cancelled":
      return { ...known, error: { code: image.code ?? "cancelled", message: image.detail ?? "" } };
    default:
      return state satisfies never;
  }
}
