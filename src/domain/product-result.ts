import type { UrlRule } from "./clean-image-url.ts";
import type { ImageCode } from "./image-code.ts";

export type ImageError = { code: ImageCode; message: string };
export type OutputFile = { fileName: string; format: string; width: number; height: number; bytes: number };

/** How one image stands: with an output, with an error, or with neither while it is not settled. */
export type ImageResult = {
  /** What is fetched; null until the image is planned, and where the URL is none. */
  fetchedUrl: string | null;
  urlRules: readonly UrlRule[];
  output: OutputFile | null;
  error: ImageError | null;
};

export type ProductResult = {
  line: number; serial: string; name: string;
  /** As they came. */
  urls: readonly string[];
  /** The row of the file as it came. */
  record: string;
  /** One for each URL, in the same order. */
  images: readonly ImageResult[];
};

export const PRODUCT_STATUSES = ["completed", "partial", "failed", "no_image", "pending"] as const;
export type ProductStatus = (typeof PRODUCT_STATUSES)[number];

/** In the words of the batch's own outcome, so that a filter on the column needs no second vocabulary. */
export function productStatus({ images }: Pick<ProductResult, "images">): ProductStatus {
  if (images.length === 0) return "no_image";
  if (images.some(({ output, error }) => output === null && error === null)) return "pending";
  const failed = images.filter(({ output }) => output === null).length;
  if (failed === 0) return "completed";
  return failed === images.length ? "failed" : "partial";
}

export function hasFailed({ images }: Pick<ProductResult, "images">): boolean {
  return images.some(({ error }) => error !== null);
}
