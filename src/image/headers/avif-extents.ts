import { VERSION_BYTES, withinBounds } from "./avif-items.ts";
import type { ByteWindow } from "./byte-window.ts";

/** Each that lies behind the head is a read of the disk. Encoders write some ten, in the file as in its `meta`. */
const BOXES_MAX = 1_000;
/** Of 20 bytes an item, more than decoders take. */
const ILOC_BYTES_MAX = 1024 * 1024;
/** Tiles that are alike share their data in files of libavif: some may take more together than such a file has. */
const SHARED_BYTES_MAX = 4 * 1024 * 1024;

/**
 * What is wrong with where an AVIF says that its items lie, in a sentence; null where nothing is. An item may consist of many pieces of the
 * file, and libheif brings them together in memory before it looks at any: ten times the same 40 MB, or twenty texts of that kind.
 */
export async function findExtentsFault(bytes: ByteWindow): Promise<string | null> {
  const extentBytes = await sumExtents(bytes);
  if (extentBytes === null) return "The AVIF does not say where its picture lies in it.";
  if (extentBytes <= Math.max(bytes.size, SHARED_BYTES_MAX)) return null;
  const mb = (count: number) => `${(count / 1e6).toFixed(1)} MB`;
  return `The AVIF says of its items that they have ${mb(extentBytes)} together, of a file of ${mb(bytes.size)}, which is the most. Save it anew.`;
}

/** ISO/IEC 14496-12, 8.11.1 and 8.11.3: a file has one `meta`, and that one `iloc`. */
async function sumExtents(bytes: ByteWindow): Promise<number | null> {
  const meta = await findOnly(bytes, "meta", { from: 0, to: bytes.size });
  const iloc = meta && (await findOnly(bytes, "iloc", { from: meta.from + VERSION_BYTES, to: meta.to }));
  if (!iloc || iloc.to - iloc.from > ILOC_BYTES_MAX) return null;
  const body = await bytes.read(iloc.from, iloc.to - iloc.from);
  return withinBounds(() => sumLengths(body));
}

type Range = { from: number; to: number };

/** The body of the only box of a type among those that follow each other there; null where there is none, or another one. */
async function findOnly(bytes: ByteWindow, type: string, { from, to }: Range): Promise<Range | null> {
  let found: Range | null = null;
  for (let [at, box] = [from, 0]; at + 8 <= to; box += 1) {
    const header = await bytes.read(at, 16);
    const isLong = header.readUInt32BE(0) === 1 && header.length === 16;
    // 4.2.2: 1 is for a length that stands behind the type, 0 for all that is left.
    const size = isLong ? readUInt64(header, 8) : header.readUInt32BE(0) || to - at;
    const headerBytes = isLong ? 16 : 8;
    // What is no box ends them, as it does for decoders.
    if (size < headerBytes || at + size > to) break;
    if (header.toString("latin1", 4, 8) === type) {
      if (found !== null) return null;
      found = { from: at + headerBytes, to: at + size };
    }
    if (box === BOXES_MAX) return null;
    at += size;
  }
  return found;
}

/**
 * 8.11.3, as libheif reads it: fields of other than four or eight bytes are none, and a length of 0 is nothing instead of all that is left.
 * A RangeError where the box ends early.
 */
function sumLengths(iloc: Buffer): number {
  const version = iloc.readUInt8(0);
  const fieldBytes = [iloc.readUInt8(4) >> 4, iloc.readUInt8(4) & 15, iloc.readUInt8(5) >> 4, version === 0 ? 0 : iloc.readUInt8(5) & 15];
  const [offsetBytes = 0, lengthBytes = 0, baseBytes = 0, indexBytes = 0] = fieldBytes.map((bytes) =>
    bytes === 4 || bytes === 8 ? bytes : 0,
  );
  const [beforeLength, pieceBytes] = [indexBytes + offsetBytes, indexBytes + offsetBytes + lengthBytes];
  const idBytes = version < 2 ? 2 : 4;
  let sum = 0;
  let at = 6 + idBytes;
  for (let items = iloc.readUIntBE(6, idBytes); items > 0; items -= 1) {
    at += idBytes + (version === 0 ? 2 : 4) + baseBytes;
    const end = at + 2 + iloc.readUInt16BE(at) * pieceBytes;
    // Pieces without a length may be said to be billions.
    if (lengthBytes > 0)
      for (at += 2; at < end; at += pieceBytes)
        sum += lengthBytes === 4 ? iloc.readUInt32BE(at + beforeLength) : readUInt64(iloc, at + beforeLength);
    at = end;
  }
  return sum;
}

function readUInt64(from: Buffer, at: number): number {
  return from.readUInt32BE(at) * 2 ** 32 + from.readUInt32BE(at + 4);
}
