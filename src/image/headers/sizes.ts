import type { Size } from "../../domain/image/output-size.ts";
import { findExtentsFault } from "./avif-extents.ts";
import type { ByteWindow } from "./byte-window.ts";
import { readPngChunks } from "./png-chunks.ts";
import { readPngGamma } from "./png-gamma.ts";
import { nameUnreadSamples } from "./tiff-samples.ts";
import { readAvifNumbers, readPngNumbers, toBeConverted, type Numbered } from "./numbered-colours.ts";
import { isPremultiplied, nameUnread, nameUnreadAvif } from "./unread-colours.ts";

/** What a file's own headers claim. */
export type HeaderFacts = Size & {
  /** Of a TIFF in tiles, or in strips of one colour each: how many rows are decoded together. */
  tileHeight?: number;
  /** Of a GIF: its first frame leaves some of the screen free. */
  isPartlyCovered?: boolean;
  /** Of a JPEG: in segments before its first scan that are nothing but metadata. */
  metadataBytes?: number;
  /** Of a PNG: how much lighter (above 1) or darker it is meant. */
  gamma?: number;
  /** Of an AVIF: its colours are multiplied by their transparency. */
  isPremultiplied?: boolean;
  /** Of a PNG or an AVIF: its colours are others than sRGB's, by these numbers and no profile. */
  numbered?: Numbered;
};
export type Header = HeaderFacts & {
  /** Of a JPEG that may come in more than one scan: where the first begins, at the earliest. */
  scansFrom?: number;
  /** Of an animated WebP: where its first frame begins, at the earliest. */
  framesFrom?: number;
  /** What is wrong with the file although it says how large the image is, in a sentence. */
  fault?: string;
  /** What the image holds that would be shown wrongly, in words that go into a sentence. */
  unread?: string;
};
/** Null where the headers end before they say how large the image is. */
export type ReadSize = (bytes: ByteWindow) => Promise<Header | null>;

/** PNG 3rd edition, 11.2.1: IHDR is the first chunk. */
export const readPngSize: ReadSize = async (bytes) => {
  const header = await bytes.read(0, 24);
  if (header.length < 24 || header.toString("latin1", 12, 16) !== "IHDR") return null;
  const chunks = await readPngChunks(bytes);
  const [gamma, colours] = [readPngGamma(chunks), readPngNumbers(chunks)];
  const size = { width: header.readUInt32BE(16), height: header.readUInt32BE(20) };
  const facts = { ...(gamma === undefined ? {} : { gamma }), ...convertedBy(colours) };
  return withUnread({ ...size, ...facts }, nameUnread(colours, { hasProfile: chunks.has("iCCP") }));
};

function convertedBy(colours: Numbered | null): Pick<HeaderFacts, "numbered"> {
  const numbered = toBeConverted(colours);
  return numbered === null ? {} : { numbered };
}

function withUnread(size: HeaderFacts, unread: string | null): Header {
  return unread === null ? size : { ...size, unread };
}

/** GIF89a, 18 and 20: the screen, or as far as the first frame reaches where that is further; decoders widen it. */
export const readGifSize: ReadSize = async (bytes) => {
  const header = await bytes.read(0, GIF_HEADER_BYTES);
  if (header.length < GIF_HEADER_BYTES) return null;
  const screen = { width: header.readUInt16LE(6), height: header.readUInt16LE(8) };
  const frame = await findGifFrame(bytes, GIF_HEADER_BYTES + gifTableBytes(header[10] ?? 0));
  if (frame === null) return screen;
  const width = Math.max(screen.width, frame.left + frame.width);
  const height = Math.max(screen.height, frame.top + frame.height);
  return { width, height, ...(frame.width === width && frame.height === height ? {} : { isPartlyCovered: true }) };
};

/** GIF89a, 17 and 18: what stands before the table of colours. */
export const GIF_HEADER_BYTES = 13;

/** More blocks than comments and an animation's settings take before the first frame. */
const GIF_BLOCKS_MAX = 1_000;

async function findGifFrame(bytes: ByteWindow, from: number): Promise<(HeaderFacts & { left: number; top: number }) | null> {
  let at = from;
  for (let block = 0; block < GIF_BLOCKS_MAX; block += 1) {
    const header = await bytes.read(at, 10);
    if (header.length === 10 && header[0] === 0x2c) {
      const [left = 0, top = 0, width = 0, height = 0] = [1, 3, 5, 7].map((field) => header.readUInt16LE(field));
      return { left, top, width, height };
    }
    // An extension: its label, then pieces that each say how long they are, and an empty one.
    if (header[0] === 0x21) at += 2;
    else if (header[0] === 0) at += 1;
    else return null;
    for (let piece = (await bytes.read(at, 1))[0]; piece !== undefined && piece !== 0 && block < GIF_BLOCKS_MAX; block += 1) {
      at += 1 + piece;
      piece = (await bytes.read(at, 1))[0];
    }
    at += 1;
  }
  return null;
}

export function gifTableBytes(flags: number): number {
  return (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1);
}

/** RFC 9649: the first chunk is VP8X (canvas), VP8L or VP8. */
export const readWebpSize: ReadSize = async (bytes) => {
  const header = await bytes.read(0, 30);
  if (header.length < 30) return null;
  switch (header.toString("latin1", 12, 16)) {
    case "VP8X": {
      const isAnimated = (header.readUInt8(20) & WEBP_ANIMATION) !== 0;
      const canvas = { width: 1 + header.readUIntLE(24, 3), height: 1 + header.readUIntLE(27, 3) };
      return { ...canvas, ...(isAnimated ? { framesFrom: header.length } : {}) };
    }
    case "VP8L": {
      const bits = header.readUInt32LE(21);
      return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
    }
    case "VP8 ":
      return { width: header.readUInt16LE(26) & 0x3fff, height: header.readUInt16LE(28) & 0x3fff };
    default:
      return null;
  }
};

/** Without it decoders leave frames alone. */
const WEBP_ANIMATION = 2;

const [WIDTH, HEIGHT, STRIP_ROWS, PLANES, TILE_ROWS] = [256, 257, 278, 284, 323];
const [BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, SAMPLE_FORMAT] = [258, 259, 262, 277, 339];
const TIFF_TAGS: ReadonlySet<number> = new Set([
  WIDTH,
  HEIGHT,
  STRIP_ROWS,
  PLANES,
  TILE_ROWS,
  BITS,
  COMPRESSION,
  PHOTOMETRIC,
  SAMPLES,
  SAMPLE_FORMAT,
]);
const [SHORT, LONG] = [3, 4];
const SEPARATE = 2;

/**
 * TIFF 6.0: the first directory, wherever it lies. Of a tag that comes twice decoders heed the first. They also read numbers of
 * other types than the standard gives these tags: how much memory such a file takes is not known.
 */
export const readTiffSize: ReadSize = async (bytes) => {
  const header = await bytes.read(0, 8);
  if (header.length < 8) return null;
  const isLittle = header[0] === 0x49;
  const u16 = (from: Buffer, at: number) => (isLittle ? from.readUInt16LE(at) : from.readUInt16BE(at));
  const u32 = (from: Buffer, at: number) => (isLittle ? from.readUInt32LE(at) : from.readUInt32BE(at));
  const start = u32(header, 4);
  const count = await bytes.read(start, 2);
  if (count.length < 2) return null;
  const entries = await bytes.read(start + 2, 12 * u16(count, 0));
  const tags = new Map<number, number>();
  for (let at = 0; at + 12 <= entries.length; at += 12) {
    const [tag, type] = [u16(entries, at), u16(entries, at + 2)];
    if (!TIFF_TAGS.has(tag) || tags.has(tag)) continue;
    if (type !== SHORT && type !== LONG) return null;
    // What does not fit into the entry lies elsewhere; the first number is that of all samples.
    const isInside = u32(entries, at + 4) * (type === SHORT ? 2 : 4) <= 4;
    const value = isInside ? entries.subarray(at + 8, at + 12) : await bytes.read(u32(entries, at + 8), 4);
    if (value.length < 4) return null;
    tags.set(tag, type === SHORT ? u16(value, 0) : u32(value, 0));
  }
  const [width, height] = [tags.get(WIDTH), tags.get(HEIGHT)];
  if (width === undefined || height === undefined) return null;
  // Strips of whole pixels are read row by row, those of a colour each at once.
  const stripHeight = tags.get(PLANES) === SEPARATE ? Math.min(height, tags.get(STRIP_ROWS) ?? height) : undefined;
  const tileHeight = tags.get(TILE_ROWS) ?? stripHeight;
  const samples = {
    bits: tags.get(BITS),
    format: tags.get(SAMPLE_FORMAT),
    count: tags.get(SAMPLES),
    photometric: tags.get(PHOTOMETRIC),
    compression: tags.get(COMPRESSION),
    isPlanar: tags.get(PLANES) === SEPARATE,
  };
  return withUnread({ width, height, ...(tileHeight === undefined ? {} : { tileHeight }) }, nameUnreadSamples(samples));
};

/**
 * ISO/IEC 23008-12: every `ispe` property of an AVIF states the size of an item (the image, its alpha, the tiles
 * of a grid), and the image is at most as large as the largest claim; a grid's own size is an `ispe` too.
 */
export const readAvifSize: ReadSize = async (bytes) => {
  const meta = await bytes.read(0, 64 * 1024);
  let largest: HeaderFacts | null = null;
  for (let at = meta.indexOf("ispe", 0, "latin1"); at !== -1; at = meta.indexOf("ispe", at + 4, "latin1")) {
    if (at + 16 > meta.length) break;
    const size = { width: meta.readUInt32BE(at + 8), height: meta.readUInt32BE(at + 12) };
    if (!largest || size.width * size.height > largest.width * largest.height) largest = size;
  }
  const colours = readAvifNumbers(meta);
  const facts = { ...(isPremultiplied(meta) ? { isPremultiplied: true } : {}), ...convertedBy(colours) };
  const fault = largest && (await findExtentsFault(bytes));
  return largest && { ...withUnread({ ...largest, ...facts }, nameUnreadAvif(meta, colours)), ...(fault === null ? {} : { fault }) };
};

/** A drawing has no pixels of its own: its width and height, else its view box, else what browsers take (CSS: 300 x 150). */
export const readSvgSize: ReadSize = async (bytes) => {
  const text = (await bytes.read(0, 16 * 1024)).toString("utf8");
  // Not as one expression, which would look for the end of every "<svg" where none has one.
  const start = text.search(/<svg/i);
  const end = start === -1 ? -1 : text.indexOf(">", start);
  if (end === -1) return null;
  const tag = text.slice(start, end + 1);
  const length = (name: string) => Number(new RegExp(`\\s${name}\\s*=\\s*["']\\s*([\\d.]{1,12})(?:px)?\\s*["']`).exec(tag)?.[1] ?? 0);
  const [, boxWidth, boxHeight] = /\sviewBox\s*=\s*["'][-\d.]+[\s,]+[-\d.]+[\s,]+([\d.]{1,12})[\s,]+([\d.]{1,12})\s*["']/.exec(tag) ?? [];
  return { width: Math.ceil(length("width") || Number(boxWidth ?? 300)), height: Math.ceil(length("height") || Number(boxHeight ?? 150)) };
};
