import type { ByteWindow } from "./byte-window.ts";

const PIECE_BYTES = 256 * 1024;

/**
 * Begins a scan of a JPEG. Within what a scan holds, 0xff is always followed by 0 or is a restart marker (ITU-T T.81,
 * B.1.1.5), so that from the first scan on the bytes of the marker are the marker; tables between scans are short, and
 * a second picture after the first adds but its own.
 */
export const SCAN = Buffer.from([0xff, 0xda]);
/** Begins a frame of a WebP (RFC 9649, 2.7.1.1). Other four bytes of a file are these once in four billion times. */
export const FRAME = Buffer.from("ANMF", "latin1");

/**
 * How often a mark stands in a file from there on, counted no further than `max` + 1. Looked for and not walked to: what
 * lies between cannot hide one. 50 MB of the worst bytes take 0.3 s of CPU, 1.5 ms at a time.
 */
export async function countMarks(bytes: ByteWindow, mark: Buffer, { from, max }: { from: number; max: number }): Promise<number> {
  let count = 0;
  for (let at = from; at < bytes.size && count <= max; at += PIECE_BYTES) {
    // Some bytes more, so that a mark across two pieces is seen in the first of them.
    const piece = await bytes.read(at, PIECE_BYTES + mark.length - 1);
    for (let found = piece.indexOf(mark); found !== -1 && count <= max; found = piece.indexOf(mark, found + mark.length)) count += 1;
  }
  return count;
}
