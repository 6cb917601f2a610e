import type { ImageState } from "../domain/batch-state.ts";
import type { UrlRule } from "../domain/clean-image-url.ts";
import { IMAGE_CODES, type ImageCode } from "../domain/image-code.ts";
import type { ImageResult, OutputFile, ProductResult } from "../domain/product-result.ts";
import type { Executor } from "./connect.ts";

type ProductRow = Omit<ProductResult, "images"> & { firstOrdinal: number };
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
/** How many products are in memory at once while all of a batch is read. */
const PAGE_PRODUCTS = 500;

/** `nextLine` is where the next page begins, null on the last. */
export type ProductPage = { products: ProductResult[]; nextLine: number | null };

/** All of a batch's products, page by page in the order of the file. */
export async function* productPages(db: Executor, batchId: string): AsyncGenerator<ProductResult[]> {
  for (let afterLine: number | null = 0; afterLine !== null;) {
    const page: ProductPage = await listProducts(db, batchId, { afterLine, limit: PAGE_PRODUCTS });
    yield page.products;
    afterLine = page.nextLine;
  }
}

/** At most `limit` products of a batch in the order of the file, with the results of their images. */
export async function listProducts(db: Executor, batchId: string, page: { afterLine: number; limit: number }): Promise<ProductPage> {
  const products = (await db.executeSql(PRODUCTS, [batchId, page.afterLine, page.limit, PAGE_IMAGES_MAX])).rows as ProductRow[];
  const first = products[0];
  const last = products.at(-1);
  if (!first || !last) return { products: [], nextLine: null };
  const span = [batchId, first.firstOrdinal, last.firstOrdinal + last.urls.length - 1];
  const images = (await db.executeSql(IMAGES, span)).rows as ImageRow[];
  const byOrdinal = new Map(images.map((image) => [image.ordinal, resultOf(image)]));
  const { hasMore, isCancelled } = (await db.executeSql(AROUND, [batchId, last.line])).rows[0] as {
    hasMore: boolean;
    isCancelled: boolean;
  };
  const results = products.map(({ firstOrdinal, ...product }) => ({
    ...product,
    images: product.urls.map((_, index) => byOrdinal.get(firstOrdinal + index) ?? (isCancelled ? NEVER_PLANNED : NOT_PLANNED)),
  }));
  return { products: results, nextLine: hasMore ? last.line : null };
}

const AROUND = `select exists (select 1 from product where batch_id = $1 and line > $2) as "hasMore",
  exists (select 1 from batch where batch_id = $1 and cancelled_at is not null) as "isCancelled"`;

const NOT_PLANNED: ImageResult = { fetchedUrl: null, urlRules: [], outputs: [], error: null };
/** Of a cancelled batch. */
const NEVER_PLANNED: ImageResult = { ...NOT_PLANNED, error: { code: "cancelled", message: IMAGE_CODES.cancelled.message } };

// Products whose first image is PAGE_IMAGES_MAX or more behind the page's first image are left to the next page. They are counted off first:
// in one condition with the batch, a page that they fill would be looked for to the batch's end.
const PRODUCTS = `select * from (
    select line, first_ordinal as "firstOrdinal", serial, name, urls, record from product
    where batch_id = $1 and line > $2 order by line limit $3
  ) page
  where "firstOrdinal" < (select first_ordinal from product where batch_id = $1 and line > $2 order by line limit 1) + $4
  order by line`;

// A repeat has no outputs of its own, and shows those of the first image with its URL.
const IMAGES = `select i.ordinal, i.state, i.url, i.url_rules as "urlRules", i.code, i.detail, o.outputs
  from image i
  left join lateral ( -- by key, so that no statistics can turn the look-up into a scan of the batch
    select json_agg(json_build_object('name', name, 'fileName', file_name, 'format', format, 'width', width, 'height', height, 'bytes', bytes, 'isKept', is_kept)) as outputs
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
