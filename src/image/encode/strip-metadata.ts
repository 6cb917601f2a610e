import { crc32 } from "node:zlib";
import type { OutputFormat } from "../../domain/image/recipe.ts";
import { stripAvif } from "./strip-avif.ts";

/**
 * A file without its metadata, its pixels untouched; null where it cannot be done for sure. What says how colours are
 * meant (a profile, gamma) is no metadata and stays. `exif`: a block that takes the place of the metadata.
 */
export function stripMetadata(file: Buffer, format: OutputFormat, exif: Buffer | null = null): Buffer | null {
  switch (format) {
    case "jpeg":
      return stripJpeg(file, exif);
    case "png":
      return stripPng(file, exif);
    case "webp":
      return stripWebp(file, exif);
    case "avif":
      // An item for it would have to be put among the others: what has credits is made anew.
      return exif === null ? stripAvif(file) : null;
    default:
      return format satisfies never;
  }
}

const [SOI, EOI, SOS, COM, APP0, APP1, APP2, APP14, APP15] = [0xd8, 0xd9, 0xda, 0xfe, 0xe0, 0xe1, 0xe2, 0xee, 0xef];
/** ITU-T T.81, table B.1: after the frames that are baseline, extended and progressive come those that are lossless or arithmetically coded. */
const [SOF2, SOF15, DHT] = [0xc2, 0xcf, 0xc4];
/** More segments than any photograph has: each scan of a progressive one has its own, and its tables. */
const SEGMENTS_MAX = 10_000;

/**
 * ITU-T T.81, B.1: all segments but APP1 to APP15 and comments. JFIF (APP0) stays without its thumbnail, and so do the
 * profile (APP2 of `ICC_PROFILE`) and what Adobe says of the colour transform (APP14). What follows the end of the image
 * goes: cameras and phones put a second picture there. Null also for what our decoder reads and no browser does.
 */
function stripJpeg(file: Buffer, exif: Buffer | null): Buffer | null {
  if (file[0] !== 0xff || file[1] !== SOI) return null;
  const parts = [file.subarray(0, 2)];
  let at = 2;
  // First of all, but behind JFIF, as all encoders have it.
  let toCome = exif && exifSegment(exif);
  for (let segment = 0; segment < SEGMENTS_MAX; segment += 1) {
    if (file[at] !== 0xff) return null;
    const marker = file[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === EOI) return Buffer.concat([...parts, file.subarray(at, at + 2)]);
    if (at + 4 > file.length || (marker > SOF2 && marker <= SOF15 && marker !== DHT)) return null;
    const end = at + 2 + file.readUInt16BE(at + 2);
    if (end > file.length) return null;
    if (toCome && marker !== APP0) {
      parts.push(toCome);
      toCome = null;
    }
    if (marker === SOS) {
      const next = endOfScan(file, end);
      if (next === null) return null;
      parts.push(file.subarray(at, next));
      at = next;
    } else {
      if (marker === APP0) parts.push(bareJfif(file.subarray(at, end)));
      else if (isNeeded(file, at, marker)) parts.push(file.subarray(at, end));
      at = end;
    }
  }
  return null;
}

/** Exif 3.0, 4.7.2. */
function exifSegment(exif: Buffer): Buffer {
  const segment = Buffer.concat([Buffer.from([0xff, APP1, 0, 0]), Buffer.from("Exif\0\0", "latin1"), exif]);
  segment.writeUInt16BE(segment.length - 2, 2);
  return segment;
}

function isNeeded(file: Buffer, at: number, marker: number): boolean {
  if (marker === COM) return false;
  if (marker < APP0 || marker > APP15) return true;
  if (marker === APP2) return file.toString("latin1", at + 4, at + 16) === "ICC_PROFILE\0";
  return marker === APP14;
}

const JFIF_BYTES = 18;

/** JFIF 1.02: version, density, and how large the thumbnail is that follows. One in a segment of its own (`JFXX`) goes. */
function bareJfif(segment: Buffer): Buffer {
  if (segment.length < JFIF_BYTES || segment.toString("latin1", 4, 9) !== "JFIF\0") return Buffer.alloc(0);
  const bare = Buffer.from(segment.subarray(0, JFIF_BYTES));
  bare.writeUInt16BE(JFIF_BYTES - 2, 2);
  bare.fill(0, JFIF_BYTES - 2);
  return bare;
}

/** Within a scan 0xff is followed by 0 where it is data, or is a restart marker. */
function endOfScan(file: Buffer, from: number): number | null {
  for (let at = file.indexOf(0xff, from); at !== -1 && at + 1 < file.length; at = file.indexOf(0xff, at + 1)) {
    const next = file[at + 1] ?? 0;
    if (next !== 0 && next !== 0xff && !(next >= 0xd0 && next <= 0xd7)) return at;
  }
  return null;
}

const PNG_SIGNATURE = "\u0089PNG\r\n\u001A\n";
/** PNG 3rd edition, 11.3: what says how pixels are shown. All else that a decoder may skip is text, Exif, or an editor's own. */
const PNG_SHOWN = new Set(["tRNS", "cHRM", "gAMA", "iCCP", "sBIT", "sRGB", "cICP", "mDCV", "cLLI", "bKGD", "pHYs"]);
/** Chunks of an animation, of which an output would be the first frame only. */
const PNG_ANIMATION = new Set(["acTL", "fcTL", "fdAT"]);

function stripPng(file: Buffer, exif: Buffer | null): Buffer | null {
  if (file.toString("latin1", 0, 8) !== PNG_SIGNATURE) return null;
  const parts = [file.subarray(0, 8)];
  for (let at = 8; at + 12 <= file.length;) {
    const end = at + 12 + file.readUInt32BE(at);
    const type = file.toString("latin1", at + 4, at + 8);
    if (end > file.length || PNG_ANIMATION.has(type)) return null;
    if (isCritical(type) || PNG_SHOWN.has(type)) parts.push(file.subarray(at, end));
    if (exif && type === "IHDR") parts.push(exifChunk(exif));
    if (type === "IEND") return Buffer.concat(parts);
    at = end;
  }
  return null;
}

/** PNG 3rd edition, 5.3 and 11.3.4.6. */
function exifChunk(exif: Buffer): Buffer {
  const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from("eXIf", "latin1"), exif, Buffer.alloc(4)]);
  chunk.writeUInt32BE(exif.length);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4);
  return chunk;
}

/** PNG 3rd edition, 5.4: the case of the first letter. */
function isCritical(type: string): boolean {
  return type.charCodeAt(0) < 0x60;
}

const RIFF_HEADER_BYTES = 12;
/** RFC 9649, 2.7: the profile and the picture. Chunks of unknown types may follow, such as who made it (C2PA). */
const WEBP_SHOWN = new Set(["ICCP", "ALPH", "VP8 ", "VP8L"]);
/** RFC 9649, 2.7.1: the bits of VP8X that say that there is transparency, and that Exif and XMP follow. */
const [WEBP_ALPHA, WEBP_EXIF, WEBP_XMP] = [0b0001_0000, 0b0000_1000, 0b0000_0100];
/** What a picture of each kind begins with says how large it is, in 10 and in 5 bytes. */
const PICTURES = new Set(["VP8 ", "VP8L"]);
const PICTURE_BYTES_MIN = 10;

function stripWebp(file: Buffer, exif: Buffer | null): Buffer | null {
  if (file.toString("latin1", 0, 4) !== "RIFF" || file.toString("latin1", 8, 12) !== "WEBP") return null;
  const parts: Buffer[] = [];
  const fileEnd = Math.min(file.length, 8 + file.readUInt32LE(4));
  for (let at = RIFF_HEADER_BYTES; at + 8 <= fileEnd;) {
    const bytes = file.readUInt32LE(at + 4);
    const end = at + 8 + bytes + (bytes % 2);
    const type = file.toString("latin1", at, at + 4);
    if (end > fileEnd || type === "ANIM" || (PICTURES.has(type) && bytes < PICTURE_BYTES_MIN)) return null;
    if (type === "VP8X") {
      const chunk = Buffer.from(file.subarray(at, end));
      chunk[8] = ((chunk[8] ?? 0) & ~(WEBP_EXIF | WEBP_XMP)) | (exif ? WEBP_EXIF : 0);
      parts.push(chunk);
    } else if (WEBP_SHOWN.has(type)) {
      // A picture alone in its file has nothing before it that says that Exif follows.
      if (exif && parts.length === 0) parts.push(webpChunk("VP8X", extendedHeader(file, at)));
      parts.push(file.subarray(at, end));
    }
    at = end;
  }
  if (parts.length === 0) return null;
  if (exif) parts.push(webpChunk("EXIF", exif));
  const header = Buffer.from(file.subarray(0, RIFF_HEADER_BYTES));
  header.writeUInt32LE(4 + parts.reduce((sum, part) => sum + part.length, 0), 4);
  return Buffer.concat([header, ...parts]);
}

/** RFC 9649, 2.7.1: flags, and width and height less one, which 2.5 and 3.4 have in other places. */
function extendedHeader(file: Buffer, at: number): Buffer {
  const isLossless = file.toString("latin1", at, at + 4) === "VP8L";
  const bits = isLossless ? file.readUInt32LE(at + 9) : 0;
  const width = isLossless ? bits & 0x3fff : (file.readUInt16LE(at + 14) & 0x3fff) - 1;
  const height = isLossless ? (bits >>> 14) & 0x3fff : (file.readUInt16LE(at + 16) & 0x3fff) - 1;
  const header = Buffer.alloc(10);
  header[0] = WEBP_EXIF | (((bits >>> 28) & 1) === 1 ? WEBP_ALPHA : 0);
  header.writeUIntLE(width, 4, 3);
  header.writeUIntLE(height, 7, 3);
  return header;
}

function webpChunk(type: string, data: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.write(type, "latin1");
  header.writeUInt32LE(data.length, 4);
  return Buffer.concat([header, data, Buffer.alloc(data.length % 2)]);
}
