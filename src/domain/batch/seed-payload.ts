import { outputUrl, resultCsvUrl, statusUrl } from "./batch-urls.ts";
import type { BatchStatus } from "./batch-state.ts";
import { writeCursor } from "./cursor.ts";
import { outputNamed, type ImageError, type ProductResult } from "./product-result.ts";
import { MAIN_OUTPUT, outputNames, type Recipe } from "../image/recipe.ts";

/** How an event is worded for a webhook: in our own form, or as the seed's webhook was. */
export const WEBHOOK_PAYLOADS = ["event", "seed"] as const;
export type WebhookPayload = (typeof WEBHOOK_PAYLOADS)[number];

/**
 * express.json(), with which receivers of the seed's webhook were written, refuses more than 100 kB (102,400 bytes) unless told
 * otherwise. A product with one image, both of its URLs some 100 characters long, takes 350 bytes: 200 take 70 kB. A list of
 * products with more images ends earlier, after a whole product, 2 kB below that limit.
 */
export const SEED_PRODUCTS_MAX = 200;
export const SEED_BODY_BYTES_MAX = 100_000;

type SeedProduct = {
  serialNumber: string;
  productName: string;
  inputImageUrls: string[];
  outputImageUrls: (string | null)[];
  errors: (ImageError | null)[];
};

export type SeedPayload = {
  requestId: string;
  status: BatchStatus;
  message: string;
  products: SeedProduct[];
  /** All products of the batch, whether they are in `products` or not. */
  productsTotal: number;
  isTruncated: boolean;
  /** Where the status can be read from the first product on that is missing here; null where none is. */
  nextUrl: string | null;
  outputCsvUrl: string;
};

export type SeedBatch = {
  batchId: string;
  token: string;
  status: BatchStatus;
  recipe: Recipe;
  products: number;
  imagesTotal: number;
  imagesDone: number;
  imagesFailed: number;
  imagesSkipped: number;
};

/** A product in the seed's words, for its status and its webhook: three lists of one length and order. */
export function viewSeedProduct(product: ProductResult, batch: Pick<SeedBatch, "token" | "recipe">, publicUrl: string): SeedProduct {
  const [first = MAIN_OUTPUT] = outputNames(batch.recipe);
  return {
    serialNumber: product.serial,
    productName: product.name,
    inputImageUrls: [...product.urls],
    outputImageUrls: product.images.map(({ outputs }) => {
      const output = outputNamed(outputs, first);
      return output && outputUrl(publicUrl, batch.token, output.fileName);
    }),
    errors: product.images.map(({ error }) => error),
  };
}

/**
 * The seed's webhook, as text to be signed and sent. `products` are the batch's first, at least SEED_PRODUCTS_MAX where there
 * are as many.
 */
export function writeSeedPayload(batch: SeedBatch, products: readonly ProductResult[], publicUrl: string): string {
  const shown: SeedProduct[] = [];
  const around = toPayload(batch, { products: [], isTruncated: true, nextLine: MAX_LINE }, publicUrl);
  let bytes = Buffer.byteLength(JSON.stringify(around));
  let lastLine = 0;
  for (const product of products.slice(0, SEED_PRODUCTS_MAX)) {
    const view = viewSeedProduct(product, batch, publicUrl);
    bytes += Buffer.byteLength(JSON.stringify(view)) + COMMA_BYTES;
    if (bytes > SEED_BODY_BYTES_MAX) break;
    shown.push(view);
    lastLine = product.line;
  }
  return JSON.stringify(toPayload(batch, { products: shown, isTruncated: shown.length < batch.products, nextLine: lastLine }, publicUrl));
}

const COMMA_BYTES = 1;
/** Has as many digits as a line's number can have, so that the text around the products is never longer than was counted. */
const MAX_LINE = 999_999_999;

function toPayload(
  batch: SeedBatch,
  cut: { products: SeedProduct[]; isTruncated: boolean; nextLine: number },
  publicUrl: string,
): SeedPayload {
  return {
    requestId: batch.batchId,
    status: batch.status,
    message: describeEnd(batch),
    products: cut.products,
    productsTotal: batch.products,
    isTruncated: cut.isTruncated,
    nextUrl: cut.isTruncated ? `${statusUrl(publicUrl, batch.batchId)}?cursor=${writeCursor("line", cut.nextLine)}` : null,
    outputCsvUrl: resultCsvUrl(publicUrl, batch.token),
  };
}

function describeEnd({ imagesTotal, imagesDone, imagesFailed, imagesSkipped }: SeedBatch): string {
  if (imagesTotal === 0) return "The file holds no image.";
  if (imagesDone === imagesTotal) return imagesTotal === 1 ? "The image is done." : `All ${imagesTotal} images are done.`;
  const skipped = imagesSkipped > 0 ? `, ${imagesSkipped} skipped` : "";
  return `${imagesDone} of ${imagesTotal} images are done, ${imagesFailed} failed${skipped}.`;
}
