import type { ByteWindow } from "./byte-window.ts";

/** Where TIFF begins, and its two byte orders (TIFF 6.0, 2); little-endian with the first directory behind it is what libexif writes. */
const [LITTLE, BIG] = ["II*\0", "MM\0*"];
/** ASCII, and the UTF-8 of Exif 3.0, 4.6.2. */
const TEXT_TYPES: ReadonlySet<number> = new Set([2, 129]);
/** Far more than is kept of any. */
const TEXT_BYTES_MAX = 64 * 1024;

/**
 * The bytes of a text in the first directory (IFD0) of an Exif block, or of a TIFF, which is built alike; as a window on the block
 * itself where it is in memory. Null where there is none.
 */
export async function findExifText(block: ByteWindow, tag: number): Promise<Buffer | null> {
  const header = await block.read(0, 8);
  const order = header.toString("latin1", 0, 4);
  if ((order !== LITTLE && order !== BIG) || header.length < 8) return null;
  const u16 = (from: Buffer, at: number) => (order === LITTLE ? from.readUInt16LE(at) : from.readUInt16BE(at));
  const u32 = (from: Buffer, at: number) => (order === LITTLE ? from.readUInt32LE(at) : from.readUInt32BE(at));
  const directory = u32(header, 4);
  const count = await block.read(directory, 2);
  if (count.length < 2) return null;
  const entries = await block.read(directory + 2, 12 * u16(count, 0));
  for (let at = 0; at + 12 <= entries.length; at += 12) {
    if (u16(entries, at) !== tag || !TEXT_TYPES.has(u16(entries, at + 2))) continue;
    const bytes = u32(entries, at + 4);
    return withoutEnd(await block.read(bytes <= 4 ? directory + 2 + at + 8 : u32(entries, at + 8), Math.min(bytes, TEXT_BYTES_MAX)));
  }
  return null;
}

/** A NUL ends a text; one in the middle parts photographer and editor (Exif 3.0, 4.6.4, Copyright). */
function withoutEnd(text: Buffer): Buffer {
  let end = text.length;
  while (end > 0 && text[end - 1] === 0) end -= 1;
  return text.subarray(0, end);
}
