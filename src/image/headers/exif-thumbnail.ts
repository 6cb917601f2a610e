/** The tags that say where a thumbnail lies and how long it is (Exif 3.0, 4.6.5, table 5). */
const [OFFSET, LENGTH] = [0x02_01, 0x02_02];
const FIRST_DIRECTORY = 8;

/** Blanks the thumbnail, and the directory that leads to it (IFD1), in a block as libexif writes it: IFD0 first. */
export function blankThumbnail(block: Buffer): void {
  const isBig = block[0] === 0x4d;
  const u16 = (at: number) => (isBig ? block.readUInt16BE(at) : block.readUInt16LE(at));
  const u32 = (at: number) => (isBig ? block.readUInt32BE(at) : block.readUInt32LE(at));
  const link = endOfEntries(block, FIRST_DIRECTORY, u16);
  if (link === null) return;
  const directory = u32(link);
  const end = directory === 0 ? null : endOfEntries(block, directory, u16);
  if (end === null) return;
  const values = new Map<number, number>();
  for (let at = directory + 2; at < end; at += 12) values.set(u16(at), u32(at + 8));
  const from = values.get(OFFSET) ?? 0;
  const thumbnail = block.subarray(from, from + (values.get(LENGTH) ?? 0));
  thumbnail.fill(0);
  block.fill(0, directory, end);
  block.writeUInt32LE(0, link);
}

/** Where a directory says which one is next; null where it is not all there. */
function endOfEntries(block: Buffer, directory: number, u16: (at: number) => number): number | null {
  if (directory + 2 > block.length) return null;
  const end = directory + 2 + 12 * u16(directory);
  return end + 4 > block.length ? null : end;
}
