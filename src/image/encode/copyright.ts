import { open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { Metadata, Sharp } from "sharp";
import { openByteWindow, windowOn } from "../headers/byte-window.ts";
import type { EncodeTask } from "./encode-task.ts";
import { findExifText } from "../headers/exif-text.ts";
import { blankThumbnail } from "../headers/exif-thumbnail.ts";

/** Who made an image and who owns it: the tags that stay, and their numbers in IFD0 (Exif 3.0, 4.6.4). */
const TAGS = { Artist: 0x01_3b, Copyright: 0x82_98 } as const;
const TEXT_CHARS_MAX = 1_000;
/** TIFF 6.0, 2: byte order and where the first directory lies, how many entries it has, and the type of theirs. */
const [LITTLE_ENDIAN, FIRST_ENTRY, ASCII] = ["II*\0\b\0\0\0", 10, 2];

/** What the input says, in UTF-8. */
export type Credits = Partial<Record<keyof typeof TAGS, Buffer>>;

/** Null where the input names neither. Exif that cannot be read says nothing: the image itself is whole. */
export async function readCredits({ exif }: Pick<Metadata, "exif">, input: EncodeTask["input"]): Promise<Credits | null> {
  // A TIFF has no Exif beside itself for them: the tags stand in its own first directory.
  const block = input.format === "tiff" ? openByteWindow({ ...input, head: Buffer.alloc(0) }) : windowOn(withoutPrefix(exif));
  try {
    const found: [string, Buffer][] = [];
    for (const [name, tag] of Object.entries(TAGS)) {
      const bytes = await findExifText(block, tag);
      const text = bytes === null ? "" : [...decode(bytes)].slice(0, TEXT_CHARS_MAX).join("");
      if (text.trim() !== "") found.push([name, Buffer.from(text)]);
    }
    return found.length === 0 ? null : Object.fromEntries(found);
  } finally {
    await block.close();
  }
}

const PREFIX = "Exif\0\0";

/** A JPEG marks its Exif so, other formats do not. */
function withoutPrefix(exif: Buffer = Buffer.alloc(0)): Buffer {
  return exif.toString("latin1", 0, PREFIX.length) === PREFIX ? exif.subarray(PREFIX.length) : exif;
}

/** Exif says ASCII; cameras and editors write UTF-8 there, older ones the code page of Windows. */
function decode(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/** An Exif block of nothing but them: TIFF 6.0, 2, one directory of ASCII texts, in the order of their tags. */
export function exifOf(credits: Credits): Buffer {
  const names = (Object.keys(TAGS) as (keyof typeof TAGS)[]).filter((name) => credits[name] !== undefined);
  const head = Buffer.alloc(FIRST_ENTRY + 12 * names.length + 4);
  head.write(LITTLE_ENDIAN, "latin1");
  head.writeUInt16LE(names.length, FIRST_ENTRY - 2);
  const texts = names.map((name) => Buffer.concat([credits[name] ?? Buffer.alloc(0), Buffer.alloc(1)]));
  let end = head.length;
  for (const [index, text] of texts.entries()) {
    const entry = head.subarray(FIRST_ENTRY + 12 * index);
    entry.writeUInt16LE(TAGS[names[index] ?? "Artist"]);
    entry.writeUInt16LE(ASCII, 2);
    entry.writeUInt32LE(text.length, 4);
    // What fits into the entry stands there.
    if (text.length <= 4) entry.set(text, 8);
    else entry.writeUInt32LE(end, 8);
    end += text.length <= 4 ? 0 : text.length;
  }
  return Buffer.concat([head, ...texts.filter((text) => text.length > 4)]);
}

/**
 * Writes copyright and artist into an output, and nothing else of the input's metadata. libvips would make `(C)` of ©
 * and `??` of 商品: it gets as many question marks as there are bytes, in whose place fillInCredits() puts the text.
 */
export function holdCredits(image: Sharp, credits: Credits): Sharp {
  return image.withExif({
    IFD0: Object.fromEntries(Object.entries(credits).map(([name, text]) => [name, placeholder(text).toString("latin1")])),
  });
}

function placeholder(text: Buffer): Buffer {
  return Buffer.from(text.map((byte) => (isAscii(byte) ? byte : 0x3f)));
}

function isAscii(byte: number): boolean {
  return byte > 0 && byte < 0x80;
}

/**
 * Exif is the first thing in a JPEG and a PNG, the last in a WebP and an AVIF; two texts of 1,000 characters are 8 kB at most, and a
 * thumbnail, which a JPEG has no room for beyond that, 64.
 */
const WINDOW_BYTES = 128 * 1024;
/** How libexif begins its block, in the byte order of the input's. */
const BLOCKS = [LITTLE_ENDIAN, "MM\0*\0\0\0\b"].map((start) => Buffer.from(start, "latin1"));

/** Puts the texts into a file that was written with their placeholders, and takes the thumbnail out that libvips leaves there. */
export async function fillInCredits(path: string, credits: Credits): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { size } = await file.stat();
    for (const at of new Set([0, Math.max(0, size - WINDOW_BYTES)])) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(WINDOW_BYTES), 0, WINDOW_BYTES, at);
      const window = buffer.subarray(0, bytesRead);
      if (await fillIn(window, credits)) return void (await file.write(window, 0, bytesRead, at));
    }
  } finally {
    await file.close();
  }
}

async function fillIn(window: Buffer, credits: Credits): Promise<boolean> {
  for (const block of BLOCKS)
    for (let from = window.indexOf(block); from !== -1; from = window.indexOf(block, from + 1))
      if (await fillInBlock(window, from, credits)) return true;
  return false;
}

async function fillInBlock(window: Buffer, from: number, credits: Credits): Promise<boolean> {
  let isFilled = false;
  for (const [name, text] of Object.entries(credits)) {
    const held = await findExifText(windowOn(window.subarray(from)), TAGS[name as keyof typeof TAGS]);
    if (!held?.equals(placeholder(text))) continue;
    held.set(text);
    isFilled = true;
  }
  if (!isFilled) return false;
  blankThumbnail(window.subarray(from));
  renewPngChecksum(window, from);
  return true;
}

/** PNG 3rd edition, 5.3 and 5.5: the chunk's length and type stand before its data, and a CRC of type and data behind. */
function renewPngChecksum(window: Buffer, from: number): void {
  if (window.toString("latin1", from - 4, from) !== "eXIf") return;
  const end = from + window.readUInt32BE(from - 8);
  window.writeUInt32BE(crc32(window.subarray(from - 4, end)), end);
}
