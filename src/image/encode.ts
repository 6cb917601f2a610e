import { stat } from "node:fs/promises";
import sharp, { type Sharp } from "sharp";
import type { OutputFormat, Recipe } from "../domain/recipe.ts";

export type EncodeTask = {
  inputPath: string;
  outputs: { name: string; path: string; recipe: Recipe }[];
};
export type EncodedOutput = { name: string; format: OutputFormat; width: number; height: number; bytes: number };

/**
 * Only the loaders that our input formats need may run: libvips has dozens, some over libraries with a history of
 * memory faults. Whoever sends us an SVG, a PDF or a MATLAB file gets no further than this.
 */
const LOADERS = ["Jpeg", "Png", "Webp", "Heif", "Nsgif", "Tiff"];

export function restrictLibvips(): void {
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({ operation: LOADERS.map((loader) => `VipsForeignLoad${loader}File`) });
  // One image at a time on one core each: a process per core is as fast and dies alone.
  sharp.concurrency(1);
  sharp.cache(false);
}

/** Decodes one input and writes its outputs, each to a path of its own. Throws what libvips says. */
export async function encodeImage(task: EncodeTask, limits: { pixelsMax: number }): Promise<EncodedOutput[]> {
  const results: EncodedOutput[] = [];
  for (const { name, path, recipe } of task.outputs) {
    const source = openFirstFrame(task.inputPath, limits);
    const { width, height, size } = await compress(flatten(fit(source, recipe), recipe), recipe).toFile(path);
    results.push({ name, format: recipe.format, width, height, bytes: size || (await stat(path)).size });
  }
  return results;
}

/** Orientation is applied and then forgotten with all other metadata; `error` lets pass what browsers show as well. */
function openFirstFrame(path: string, limits: { pixelsMax: number }): Sharp {
  return sharp(path, { failOn: "error", limitInputPixels: limits.pixelsMax, pages: 1, sequentialRead: true }).autoOrient();
}

function fit(image: Sharp, { width, height, fit: how }: Recipe): Sharp {
  if (width === undefined && height === undefined) return image;
  return image.resize({ ...(width ? { width } : {}), ...(height ? { height } : {}), fit: how, withoutEnlargement: true });
}

/** JPEG has no transparency: what shows through is white, as on a product page. */
function flatten(image: Sharp, { format }: Recipe): Sharp {
  return format === "jpeg" ? image.flatten({ background: "#ffffff" }) : image;
}

/** sharp converts to sRGB and drops metadata unless told otherwise. */
function compress(image: Sharp, { format, quality }: Recipe): Sharp {
  switch (format) {
    case "jpeg":
      return image.jpeg({ quality });
    case "webp":
      return image.webp({ quality });
    case "avif":
      return image.avif({ quality });
    case "png":
      return image.png({ quality, palette: quality < 100 });
    default:
      return format satisfies never;
  }
}
