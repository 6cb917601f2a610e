import type { Sharp } from "sharp";
import type { PngChunks } from "./png-chunks.ts";

/** What gamma gives way to: PNG 3rd edition, 4.3. */
const STRONGER = ["sRGB", "iCCP", "cICP"];
/** In 100,000ths; 11.3.2.2. */
const UNIT = 100_000;
/** What screens show, as libpng has it for browsers; it leaves alone what differs by less than a twentieth. */
const SCREEN = 2.2;
const TOLERANCE = 0.05;
/** What sharp takes. */
const STRONGEST = 3;

/** How much lighter (above 1) or darker a PNG is to be made to come out as it is meant; undefined where it is so already. */
export function readPngGamma(chunks: PngChunks): number | undefined {
  const found = chunks.get("gAMA");
  if (found?.length !== 4 || STRONGER.some((type) => chunks.has(type))) return undefined;
  const gamma = (found.readUInt32BE(0) / UNIT) * SCREEN;
  const isMeant = Math.abs(gamma - 1) > TOLERANCE && gamma <= STRONGEST && gamma >= 1 / STRONGEST;
  return isMeant ? gamma : undefined;
}

/** libvips passes over a PNG's gamma. A background that the same pipeline brings in changes with the picture. */
export function applyGamma(image: Sharp, gamma: number): Sharp {
  return gamma > 1 ? image.gamma(1, gamma) : image.gamma(1 / gamma, 1);
}
