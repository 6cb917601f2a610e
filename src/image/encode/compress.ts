import type { Sharp } from "sharp";
import type { Effort, OutputFormat } from "../../domain/image/recipe.ts";

/**
 * What effort means in each format; docs/recipes.md has what it costs on photographs. JPEG: without optimised Huffman
 * tables 38 ms of CPU for 6 megapixels instead of 61 and 9 % more bytes, with mozjpeg 370 ms and 30 % less. AVIF: the
 * library's own default of 4 takes ten times as long as 1, for as many bytes and 0.6 dB.
 */
const EFFORT: Record<Effort, { jpeg: { optimiseCoding?: boolean; mozjpeg?: boolean }; webp: number; avif: number; png: number }> = {
  fast: { jpeg: { optimiseCoding: false }, webp: 1, avif: 0, png: 1 },
  balanced: { jpeg: {}, webp: 4, avif: 1, png: 7 },
  small: { jpeg: { mozjpeg: true }, webp: 6, avif: 3, png: 10 },
};
const PNG_COMPRESSION: Record<Effort, number> = { fast: 2, balanced: 6, small: 9 };

/** With 6, a small picture with transparency takes 2 to 7 s instead of 0.04 to 0.3, for 1 to 7 % fewer bytes. */
const WEBP_EFFORT_TRANSPARENT = 5;
/**
 * Up to 2, libwebp writes what it has decided at once, and from 3 on keeps it all: grain of 24 megapixels at quality 90 took 388 MB and 7.4 s
 * of CPU at 4, and 213 MB and 1.7 s at 2, for as many bytes (a clean photograph 10 % more). At 0 and 1 it overflows (fit-format.ts).
 */
const WEBP_EFFORT_THRIFTY = 2;

/**
 * sharp converts to sRGB and drops metadata unless told otherwise. `isThrifty`: in the least memory, for images that
 * would not fit otherwise. A JPEG then has standard tables (9 % more bytes), an AVIF half the resolution in its colours, a WebP is as quick
 * and nearly as small as between `fast` and `balanced`. `isOpaque`: nothing in it can be transparent.
 */
export function compress(
  image: Sharp,
  format: OutputFormat,
  { quality, effort, isThrifty = false, isOpaque = false }: { quality: number; effort: Effort; isThrifty?: boolean; isOpaque?: boolean },
): Sharp {
  const efforts = EFFORT[effort];
  switch (format) {
    case "jpeg":
      return image.jpeg({ quality, ...(isThrifty ? EFFORT.fast : efforts).jpeg });
    case "webp":
      return image.webp({
        quality,
        effort: isThrifty ? WEBP_EFFORT_THRIFTY : Math.min(efforts.webp, isOpaque ? Infinity : WEBP_EFFORT_TRANSPARENT),
      });
    case "avif":
      return image.avif({ quality, effort: efforts.avif, chromaSubsampling: isThrifty ? "4:2:0" : "4:4:4" });
    case "png":
      return image.png({ quality, palette: quality < 100, effort: efforts.png, compressionLevel: PNG_COMPRESSION[effort] });
    default:
      return format satisfies never;
  }
}
