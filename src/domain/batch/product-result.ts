import type { UrlRule } from "../url/clean-image-url.ts";
import type { ImageCode } from "../image/image-code.ts";
import type { OutputFormat } from "../image/recipe.ts";

export type ImageError = { code: ImageCode; message: string };
export type OutputFile = {
  name: string;
  fileName: string;
  format: OutputFormat;
  width: number;
  height: number;
  bytes: number;
  /** Null where nothing was compressed, or nothing lost by it. */
  quality: number | null;
  isKept: boolean;
  /** Null where it is linked to what an earlier batch had made. */
  encodeMs: number | null;
};

/** How one image stands: with outputs, with an error, or with neither while it is not settled. */
export type ImageResult = {
  /** The URL that is fetched; null until the image is planned, and where the cell holds no URL. */
  fetchedUrl: string | null;
  urlRules: readonly UrlRule[];
  /** In no order: outputNamed() finds one by its name. Empty where there is none. */
  outputs: readonly OutputFile[];
  error: ImageError | null;
};

export type ProductResult = {
  line: number;
  serial: string;
  name: string;
  /** As they stand in the file. */
  urls: readonly string[];
  /** One for each URL, in the same order. */
  images: readonly ImageResult[];
};
/** With the row as it came, for who writes the file again. */
export type RecordedProduct = ProductResult & { record: string };

export const PRODUCT_STATUSES = ["completed", "partial", "failed", "no_image", "pending"] as const;
export type ProductStatus = (typeof PRODUCT_STATUSES)[number];

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

export function outputNamed(outputs: readonly OutputFile[], name: string): OutputFile | null {
  return outputs.find((output) => output.name === name) ?? null;
}
