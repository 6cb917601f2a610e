import type { InputFormat } from "./input-format.ts";
import type { Effort, OutputFormat } from "./recipe.ts";

/** The facts about an image that decide how much of it must be in memory at once. */
export type DecodeFacts = {
  format: InputFormat;
  /** As stored, before the orientation is applied. */
  width: number;
  height: number;
  channels: number;
  hasAlpha: boolean;
  /** 1 for 8 bits, 2 for up to 16. */
  sampleBytes: number;
  /** Exif's, 1 to 8. */
  orientation: number;
  /** Adam7, or a JPEG in several scans: its first row is known only when all of it has been read. */
  isInterlaced: boolean;
  /** A JPEG's, as `4:2:0`. */
  chroma?: string;
  /** Of its file, a pixel: grain and noise take many. Not of a drawing, whose file says nothing of that. */
  fileBytesPerPixel?: number;
  /** A TIFF's in tiles, or in strips of one colour each: how many rows are decoded together. */
  tileHeight?: number;
};

/** `isThrifty`: written in the way that takes the least memory (image/encode/compress.ts). */
export type OutputCost = { format: OutputFormat; effort: Effort; quality: number; width: number; height: number; isThrifty: boolean };

const MIB = 1024 * 1024;
/** A fresh encoder, which is Node, libvips and their code (95 MB), and the tables and rows of a resize. */
export const FRESH_BYTES = 110 * MIB;
/** Rows that libvips keeps of an image that streams: 65,000 px across took 2.9 kB a column in RGB, 7.2 in RGBA of 16 bits. */
const STREAMED_ROWS = 1_000;

/**
 * An upper bound of an encoder's resident memory for one output, from measurements of its peak (VmHWM) at 6 to 100
 * megapixels on x64 with sharp 0.35 (libvips 8.18); test/image/pool/encoder-memory.test.ts holds it against the real thing.
 * Decoding and encoding come one after the other where the decoder must have seen everything first.
 */
export function encoderBytes(input: DecodeFacts, output: OutputCost): number {
  const { peak, held } = decodeBytes(input, output);
  const encoded = output.width * output.height * encodeBytesPerPixel(input, output);
  return FRESH_BYTES + streamedBytes(input, output) + Math.max(peak, held + encoded);
}

function streamedBytes(
  { width, height, channels, sampleBytes, hasAlpha, tileHeight = 0 }: DecodeFacts,
  output: { width: number; height: number },
): number {
  const pixelBytes = channels * sampleBytes;
  const rows = Math.min(height, STREAMED_ROWS);
  const isScaled = output.width * output.height < width * height;
  // With transparency, colours are multiplied by it before they are mixed: four floating-point numbers a pixel.
  const scaling = isScaled ? rows * (hasAlpha ? 16 : pixelBytes) : 0;
  return width * (Math.max(rows, 2.5 * tileHeight) * pixelBytes + scaling);
}

/** `peak`: while decoding; `held`: after that, while the output is encoded. */
function decodeBytes(input: DecodeFacts, output: { width: number; height: number }): { peak: number; held: number } {
  const pixels = input.width * input.height;
  const pixelBytes = input.channels * input.sampleBytes;
  const shrunk = shrinkOnLoad(input, output);
  // To turn an image all of it is copied, since its rows are needed in another order. A mirror (2) turns each row on its own.
  const turned = input.orientation > 2 ? shrunk * pixelBytes : 0;
  const whole = wholeBytesPerPixel(input);
  // Where the decoder itself scales, only a lossless WebP still exists as a whole.
  const peak = input.format === "webp" && shrunk < pixels ? pixels * 5 : pixels * whole.peak;
  const held = input.format === "webp" && shrunk < pixels ? pixels * 5 : pixels * whole.held;
  return { peak: peak + turned, held: held + turned };
}

/** glibc keeps freed pieces below 32 MB (11 megapixels of three bytes): with fewer pixels than this the peak stays held. */
const FREED_PIXELS_MIN = 11_000_000;

function wholeBytesPerPixel({ format, width, height, channels, sampleBytes, isInterlaced, chroma }: DecodeFacts): {
  peak: number;
  held: number;
} {
  const isFreed = width * height >= FREED_PIXELS_MIN;
  switch (format) {
    case "jpeg": {
      // Coefficients are 2 bytes each; 4:2:0 has half as many for both of its colours together as for its brightness.
      const samples = chroma === "4:2:0" && channels === 3 ? 1.5 : channels;
      const coefficients = isInterlaced ? 2.1 * samples : 0;
      return { peak: coefficients, held: coefficients };
    }
    case "png":
      return isInterlaced ? { peak: channels * sampleBytes, held: channels * sampleBytes } : { peak: 0, held: 0 };
    case "webp":
      return { peak: 8.5, held: isFreed ? 4 : 8.5 };
    case "avif":
      return sampleBytes > 1 ? { peak: 26, held: isFreed ? 12 : 26 } : { peak: 19, held: isFreed ? 8 : 19 };
    case "gif":
      return { peak: 5.5, held: 5.5 };
    case "tiff":
      return { peak: 0, held: 0 };
    case "svg":
      return { peak: 4, held: 4 };
    default:
      return format satisfies never;
  }
}

/** How many pixels the decoder gives: JPEG scales by 2, 4 or 8 and WebP by anything while decoding, never below the output. */
function shrinkOnLoad({ format, width, height }: DecodeFacts, output: { width: number; height: number }): number {
  const pixels = width * height;
  const needed = output.width * output.height;
  if (format === "webp") return Math.min(pixels, needed);
  return format === "jpeg" ? Math.min(pixels, Math.max(4 * needed, pixels / 64)) : pixels;
}

function encodeBytesPerPixel(input: DecodeFacts, output: OutputCost): number {
  const { format, effort, quality, isThrifty } = output;
  switch (format) {
    case "jpeg":
      // Huffman tables that fit the image need all of its coefficients, twice over; effort `small` tries scans, and keeps each.
      if (isThrifty || effort === "fast") return 0;
      return effort === "small" ? Math.max(6.4, 5.9 + 7 * outputBytesPerPixel(input, output)) : 6.4;
    case "webp": {
      // From method 3 on libwebp keeps all that it is going to write, as tokens of two bytes for what becomes a bit or less.
      const tokens = isThrifty || effort === "fast" ? 0 : 24 * outputBytesPerPixel(input, output);
      if (!input.hasAlpha) return Math.max(6.6, 3.6 + tokens);
      return Math.max(effort === "small" && !isThrifty ? 36 : 15, 8 + tokens);
    }
    case "png":
      // A palette can be chosen only when all colours have been seen.
      return quality < 100 ? 5.6 : 0;
    case "avif": {
      const coded = 4.5 * outputBytesPerPixel(input, output);
      return (isThrifty ? Math.max(22, 21.4 + coded) : Math.max(34, 32.6 + coded)) + (input.hasAlpha ? 11 : 0);
    }
    default:
      return format satisfies never;
  }
}

/** How many bytes a JPEG of the same picture would have for each of an input's. */
const AS_JPEG: Record<InputFormat, number> = { jpeg: 1, webp: 1, avif: 2, png: 0.2, tiff: 0.2, gif: 0.2, svg: 0 };

/**
 * How large an output becomes, of an input's grain: photographs with a grain of 8 to 12 levels, as JPEGs of quality 85 to 92, became WebPs of
 * 0.5 to 0.7 times their bytes at quality 80, 0.9 to 1.1 at 90 and 1.4 to 1.8 at 100. What is scaled to a quarter of its pixels has half of
 * its bytes at most. An input that is packed harder says less than it has: what it becomes can outgrow the encoder (encoder-pool.ts).
 */
function outputBytesPerPixel(input: DecodeFacts, { quality, width, height }: OutputCost): number {
  const { format, fileBytesPerPixel = 0, sampleBytes } = input;
  const kept = 0.35 + 1.5 * (quality / 100) ** 6;
  const scaled = Math.sqrt(Math.max(1, (input.width * input.height) / (width * height)));
  return ((fileBytesPerPixel * AS_JPEG[format]) / sampleBytes) * kept * scaled;
}

/**
 * How many pixels an image of the same kind may have with so much memory. `isBoxed`: its output does not grow with it,
 * since a box limits that.
 */
export function pixelsAllowed(input: DecodeFacts, output: OutputCost, options: { bytesMax: number; isBoxed: boolean }): number {
  let [low, high] = [0, 1];
  for (let step = 0; step < 24; step += 1) {
    const scale = (low + high) / 2;
    const at = (side: number) => Math.max(1, side * scale);
    const scaledOutput = options.isBoxed ? output : { ...output, width: at(output.width), height: at(output.height) };
    const height = at(input.height);
    const scaledInput = { ...input, width: at(input.width), height, tileHeight: Math.min(input.tileHeight ?? 0, height) };
    if (encoderBytes(scaledInput, scaledOutput) <= options.bytesMax) low = scale;
    else high = scale;
  }
  return Math.floor(input.width * low) * Math.floor(input.height * low);
}
