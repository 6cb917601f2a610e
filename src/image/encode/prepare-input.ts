import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import sharp, { type SharpOptions } from "sharp";
import type { InputFormat } from "../../domain/image/input-format.ts";
import { readOnClearCanvas } from "./clear-canvas.ts";
import type { EncodeTask, OpenImage } from "./encode-task.ts";
import type { EncoderLimits } from "./fit-memory.ts";

/**
 * Given a path, libvips opens it five times to find its loader; a file that is read whole takes 0.1 ms less of the 3.2
 * that a small image costs. Larger ones are left on the disk: a fresh megabyte for each cost some 2 ms of page faults.
 */
const READ_WHOLE: ReadonlySet<InputFormat> = new Set(["jpeg", "png", "webp"]);
const READ_BYTES_MAX = 256 * 1024;

export type PreparedInput = {
  open: OpenImage;
  /** Whether no look is needed to know that the input is neither turned nor of 16 bits. */
  isPlain: boolean;
};

/** Orientation is applied and then forgotten with all other metadata; `error` lets pass what browsers show as well. */
export async function prepareInput({ input, outputs }: EncodeTask, limits: EncoderLimits): Promise<PreparedInput> {
  const options = optionsOf("error", limits);
  if (input.format === "svg") {
    const drawing = await readFile(input.path);
    return { open: () => sharp(drawing, options), isPlain: false };
  }
  if (input.isPartlyCovered) {
    const gif = await readOnClearCanvas(input);
    return { open: () => sharp(gif, { ...options, page: 1 }).autoOrient(), isPlain: false };
  }
  const isSizeKept = outputs.every(({ width, height }) => width === undefined && height === undefined);
  const source = READ_WHOLE.has(input.format) && input.bytes <= READ_BYTES_MAX ? readFileSync(input.path) : input.path;
  const isUpright = isSizeKept || (Buffer.isBuffer(source) && hasNoExif(source));
  const strict = isTiled(input) ? optionsOf("warning", limits) : options;
  return { open: () => sharp(source, strict).autoOrient(), isPlain: isUpright && (input.format !== "png" || isShallowPng(source)) };
}

function optionsOf(failOn: "error" | "warning", { pixelsMax }: EncoderLimits): SharpOptions {
  return { failOn, limitInputPixels: pixelsMax, pages: 1, sequentialRead: true };
}

/** A tile that cannot be decoded is a warning to libvips, and black; a strip is an error. */
function isTiled({ format, tileHeight }: EncodeTask["input"]): boolean {
  return format === "tiff" && tileHeight !== undefined;
}

/** What sharp says where libvips has only warned. */
const ONLY_WARNED = /^Warning treated as error/;
const LOST_TILE = /error in tile/;

/** A tiled TIFF that was refused for warnings about its tags alone, to be opened as others are; null where a tile is lost. */
export function passWarnings({ input }: EncodeTask, error: unknown, limits: EncoderLimits): PreparedInput | null {
  const isHarmless = isTiled(input) && error instanceof Error && ONLY_WARNED.test(error.message) && !LOST_TILE.test(error.message);
  return isHarmless ? { open: () => sharp(input.path, optionsOf("error", limits)).autoOrient(), isPlain: false } : null;
}

/** As JPEG, WebP and PNG spell it. To look through 100 kB takes 0.02 ms, libvips's own look 0.3. */
const EXIF_SPELLINGS = ["Exif", "EXIF", "eXIf"];

function hasNoExif(file: Buffer): boolean {
  return !EXIF_SPELLINGS.some((word) => file.includes(word, 0, "latin1"));
}

/** PNG 3rd edition, 11.2.1: the bit depth stands at byte 24. */
function isShallowPng(source: Buffer | string): boolean {
  return Buffer.isBuffer(source) && (source[24] ?? 0) <= 8;
}

/** What libvips says where a JPEG has come to its end without the marker that ends it. */
const NO_END = /premature end of JPEG image/;
/** ITU-T T.81, table B.1: EOI. */
const END = Buffer.from([0xff, 0xd9]);
/** It is read into memory that nobody has counted (fit-memory.ts). */
const ENDED_BYTES_MAX = 8 * 1024 * 1024;

/**
 * A JPEG that was refused for want of its end, given one: some programs write none, and every browser shows the picture whole. Where
 * pixels are missing as well libjpeg warns of it, and `warning` refuses the image. Null where that is not what is wrong with it.
 */
export async function endJpeg({ input }: EncodeTask, error: unknown, limits: EncoderLimits): Promise<PreparedInput | null> {
  const isUnended = input.format === "jpeg" && error instanceof Error && NO_END.test(error.message);
  if (!isUnended || input.bytes > ENDED_BYTES_MAX) return null;
  const ended = Buffer.concat([await readFile(input.path), END]);
  return { open: () => sharp(ended, optionsOf("warning", limits)).autoOrient(), isPlain: false };
}
