/** Where TIFF begins, and its two byte orders (TIFF 6.0, 2); little-endian with the first directory behind it is what libexif writes. */
const [LITTLE, BIG] = ["II*\0", "MM\0*"];
/** ASCII, and the UTF-8 of Exif 3.0, 4.6.2. */
const TEXT_TYPES: ReadonlySet<number> = new Set([2, 129]);

/** The bytes of a text in the first directory (IFD0), as a window on the block itself; null where there is none. */
export function findExifText(block: Buffer, tag: number): Buffer | null {
  const tiff = block.toString("latin1", 0, 6) === "Exif\0\0" ? block.subarray(6) : block;
  const order = tiff.toString("latin1", 0, 4);
  if ((order !== LITTLE && order !== BIG) || tiff.length < 8) return null;
  const u16 = (at: number) => (order === LITTLE ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const u32 = (at: number) => (order === LITTLE ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
  const directory = u32(4);
  if (directory + 2 > tiff.length) return null;
  const end = Math.min(tiff.length, directory + 2 + 12 * u16(directory));
  for (let at = directory + 2; at + 12 <= end; at += 12) {
    if (u16(at) !== tag || !TEXT_TYPES.has(u16(at + 2))) continue;
    const bytes = u32(at + 4);
    const from = bytes <= 4 ? at + 8 : u32(at + 8);
    return withoutEnd(tiff.subarray(from, from + bytes));
  }
  return null;
}

/** A NUL ends a text; one in the middle parts photographer and editor (Exif 3.0, 4.6.4, Copyright). */
function withoutEnd(text: Buffer): Buffer {
  let end = text.length;
  while (end > 0 && text[end - 1] === 0) end -= 1;
  return text.subarray(0, end);
}
