import type { ByteWindow } from "./byte-window.ts";

const PIECE_BYTES = 256 * 1024;
const SOS = Buffer.from([0xff, 0xda]);

/**
 * How many scans a JPEG comes in, counted no further than `max` + 1. Within what a scan holds, 0xff is always followed
 * by 0 or is a restart marker (ITU-T T.81, B.1.1.5), so that from the first scan on the bytes of the marker are the
 * marker; tables between scans are short, and a second picture after the first adds but its own.
 */
export async function countScans(bytes: ByteWindow, { from, max }: { from: number; max: number }): Promise<number> {
  let scans = 0;
  for (let at = from; at < bytes.size && scans <= max; at += PIECE_BYTES) {
    // One byte more, so that a marker across two pieces is seen in the first of them.
    const piece = await bytes.read(at, PIECE_BYTES + 1);
    for (let found = piece.indexOf(SOS); found !== -1 && scans <= max; found = piece.indexOf(SOS, found + 2)) scans += 1;
  }
  return scans;
}
