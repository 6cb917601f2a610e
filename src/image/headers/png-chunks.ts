import type { ByteWindow } from "./byte-window.ts";

/** By their types, the data where these are four bytes; else none. */
export type PngChunks = ReadonlyMap<string, Buffer>;

/** Texts and all: libpng keeps as many. Each that lies behind the head is a read of the disk. */
const PNG_CHUNKS_MAX = 1_000;

/** What stands before the picture, by the types of the chunks; 5.6: all that says how colours are meant does. Of two of a type the first. */
export async function readPngChunks(bytes: ByteWindow): Promise<PngChunks> {
  const chunks = new Map<string, Buffer>();
  for (let [at, chunk] = [8, 0]; chunk < PNG_CHUNKS_MAX; chunk += 1) {
    const header = await bytes.read(at, 12);
    const type = header.toString("latin1", 4, 8);
    if (header.length < 12 || type === "IDAT") break;
    const length = header.readUInt32BE(0);
    if (!chunks.has(type)) chunks.set(type, length === 4 ? header.subarray(8) : NOT_READ);
    at += 12 + length;
  }
  return chunks;
}

const NOT_READ = Buffer.alloc(0);
