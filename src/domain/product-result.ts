import type { UrlRule } from "./clean-image-url.ts";
import type { ImageCode } from "./image-code.ts";

export type ImageError = { code: ImageCode; message: string };
export type OutputFile = { name: string; fileName: string; format: string; width: number; height: number; bytes: number; isKept: boolean };

/** How one image stands: with outputs, with an error, or with neither while it is not settled. */
export type ImageResult = {
  /** What is fetched; null until the image is planned, and where the URL is none. */
  fetchedUrl: string | null;
  urlRules: readonly UrlRule[];
  /** Found by their names; empty where there is none. */
  outputs: readonly OutputFile[];
  error: ImageError | null;
};

export type ProductResult = {
  line: number;
  serial: string;
  name: string;
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
  if (images.some(({ outputs, error }) => outputs.length === 0 && error === null)) return "pending";
  const failed = images.filter(({ outputs }) => outputs.length === 0).length;
  if (failed === 0) return "completed";
  return failed === images.length ? "failed" : "partial";
}

export function hasFailed({ images }: Pick<ProductResult, "images">): boolean {
  return images.some(({ error }) => error !== null);
}

export function findOutput(outputs: readonly OutputFile[], name: string): OutputFile | null {
  return outputs.find((output) => output.name === name) ?? null;
}
