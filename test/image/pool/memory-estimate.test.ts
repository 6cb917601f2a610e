import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import sharp, { type Sharp } from "sharp";
import { encoderBytes } from "../../../src/domain/image/decode-cost.ts";
import type { Recipe } from "../../../src/domain/image/recipe.ts";
import { decodeFacts } from "../../../src/image/encode/fit-memory.ts";
import { makeSamplePhoto } from "../../../src/image/sample-photo.ts";
import { createTestFolder } from "../../support/folder.ts";
import { encodeMeasured, MIB } from "../../support/measured-encoder.ts";

describe("an encoder's memory is no more than was estimated, and not far less", { timeout: 180_000 }, () => {
  let folder: string;
  let photo: string;
  before(async () => {
    folder = await createTestFolder();
    photo = join(folder, "photo.jpg");
    await writeFile(photo, await makeSamplePhoto({ width: 2400, height: 1800, seed: 1, format: "jpeg" }));
  });

  let made = 0;
  /** Once for all outputs: an AVIF takes longer to make than to read. */
  const make = (change: (image: Sharp) => Sharp) => {
    let path: Promise<string> | undefined;
    return () => (path ??= write(change));
  };
  const write = async (change: (image: Sharp) => Sharp) => {
    made += 1;
    const path = join(folder, `in-${made}`);
    await change(sharp(photo)).toFile(path);
    return path;
  };
  const inputs: Record<string, () => Promise<string>> = {
    JPEG: async () => photo,
    "turned JPEG": make((image) => image.withMetadata({ orientation: 6 }).jpeg()),
    "progressive JPEG": make((image) => image.jpeg({ progressive: true, chromaSubsampling: "4:4:4" })),
    PNG: make((image) => image.ensureAlpha(0.5).png({ compressionLevel: 1 })),
    "interlaced PNG of 16 bits": make((image) =>
      image.ensureAlpha(0.5).toColourspace("rgb16").png({ compressionLevel: 1, progressive: true }),
    ),
    "turned WebP": make((image) => image.withMetadata({ orientation: 8 }).webp({ effort: 0 })),
    AVIF: make((image) => image.avif({ effort: 0 })),
    "AVIF of 10 bits": make((image) => image.toColourspace("rgb16").avif({ effort: 0, bitdepth: 10 })),
    "tiled TIFF": make((image) => image.tiff({ compression: "lzw", tile: true, tileWidth: 1024, tileHeight: 1024 })),
  };
  const outputs: Record<string, Partial<Recipe>> = {
    JPEG: {},
    "a box": { width: 1600, height: 1600, format: "webp" },
    WebP: { format: "webp", effort: "fast" },
    PNG: { format: "png", effort: "fast" },
    AVIF: { format: "avif", effort: "fast" },
  };
  for (const [from, makeInput] of Object.entries(inputs)) {
    for (const [to, recipe] of Object.entries(outputs)) {
      test(`for ${from} to ${to}`, async () => {
        const { result, peak, task } = await encodeMeasured(await makeInput(), join(folder, "out"), recipe);
        assert.ok(result.ok, JSON.stringify(result));
        const [made] = result.value.outputs;
        assert.ok(made);
        const facts = decodeFacts(await sharp(task.input.path).metadata(), task);
        const estimate = encoderBytes(facts, {
          format: made.format,
          effort: recipe.effort ?? "balanced",
          quality: 50,
          width: made.width,
          height: made.height,
          isThrifty: false,
        });
        assert.ok(peak <= estimate, `${Math.round(peak / MIB)} MB instead of ${Math.round(estimate / MIB)}`);
        assert.ok(peak >= estimate * 0.5, `${Math.round(peak / MIB)} MB of ${Math.round(estimate / MIB)}`);
      });
    }
  }
});
