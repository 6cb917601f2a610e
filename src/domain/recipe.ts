/** What is done to every image of a batch. */
export const OUTPUT_FORMATS = ["jpeg", "webp", "avif", "png"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** sharp's fit words, of which `inside` and `cover` are what a catalogue needs most. */
export const FITS = ["inside", "cover", "contain", "fill", "outside"] as const;
export type Fit = (typeof FITS)[number];

export type Recipe = {
  format: OutputFormat;
  /** 1–100. */
  quality: number;
  /** Pixels of the box that the image is fitted into; an image is never enlarged. */
  width?: number;
  height?: number;
  fit: Fit;
};

/** The seed's: JPEG at quality 50, size as it came. */
export const SEED_RECIPE: Recipe = { format: "jpeg", quality: 50, fit: "inside" };

/** WebP's own limit is 16,383 px a side; no product image needs more in any format. */
export const SIDE_PX_MAX = 16_383;

export const FORMAT_FILES: Record<OutputFormat, { extension: string; mediaType: string }> = {
  jpeg: { extension: "jpg", mediaType: "image/jpeg" },
  webp: { extension: "webp", mediaType: "image/webp" },
  avif: { extension: "avif", mediaType: "image/avif" },
  png: { extension: "png", mediaType: "image/png" },
};
