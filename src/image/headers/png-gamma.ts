import type { Sharp } from "sharp";

/** A PNG's first chunks: four bytes of gamma, and what it gives way to, which comes at the beginning as well (PNG 3rd edition, 4.3). */
const GAMA = Buffer.from("\0\0\0\u0004gAMA", "latin1");
const STRONGER = ["sRGB", "iCCP", "cICP"];
/** In 100,000ths; 11.3.2.2. */
const UNIT = 100_000;
/** What screens show, as libpng has it for browsers; it leaves alone what differs by less than a twentieth. */
const SCREEN = 2.2;
const TOLERANCE = 0.05;
/** What sharp takes. */
const STRONGEST = 3;

/** How much lighter (above 1) or darker a PNG is to be made to come out as it is meant; undefined where it is so already. */
export function readPngGamma(head: Buffer): number | undefined {
  const at = head.indexOf(GAMA);
  if (at === -1 || at + GAMA.length + 4 > head.length || STRONGER.some((chunk) => head.includes(chunk, 0, "latin1"))) return undefined;
  const gamma = (head.readUInt32BE(at + GAMA.length) / UNIT) * SCREEN;
  const isMeant = Math.abs(gamma - 1) > TOLERANCE && gamma <= STRONGEST && gamma >= 1 / STRONGEST;
  return isMeant ? gamma : undefined;
}

/** libvips passes over a PNG's gamma. A background that the same pipeline brings in changes with the picture. */
export function applyGamma(image: Sharp, gamma: number): Sharp {
  return gamma > 1 ? image.gamma(1, gamma) : image.gamma(1 / gamma, 1);
}
