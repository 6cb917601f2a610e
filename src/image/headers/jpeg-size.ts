import type { Size } from "../../domain/image/output-size.ts";
import type { ByteWindow } from "./byte-window.ts";
import type { ReadSize } from "./sizes.ts";

/** A header chain longer than this is no photograph's: metadata segments are 64 kB each, and few. */
const SEGMENTS_MAX = 1_000;

/**
 * ITU-T T.81, B.1.1: segments follow each other; the size is in the first SOF, before the first scan. Decoders look for the next
 * marker past what is no segment (0xff 0 is none), and take more segments than we do: there the scans are still to be counted.
 */
export const readJpegSize: ReadSize = async (bytes) => {
  let offset = 2;
  let frame: Frame | null = null;
  let metadataBytes = 0;
  for (let segment = 0; segment < SEGMENTS_MAX; segment += 1) {
    const header = await bytes.read(offset, 10);
    const marker = header[1] ?? 0;
    if (header.length < 4) break;
    if (header[0] !== 0xff || marker === 0) {
      if (frame !== null) break;
      const next = await findMarker(bytes, offset);
      if (next === null) break;
      offset = next;
      continue;
    }
    if (marker === EOI) break;
    if (marker === 0xff) {
      offset += 1;
      continue;
    }
    if (marker === SOS) return frame && { ...sizeOf(frame), metadataBytes, ...(isWholeScan(frame, header) ? {} : { scansFrom: offset }) };
    if (isFrameMarker(marker)) frame ??= readFrame(header);
    const standsAlone = marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    const bytesHere = standsAlone ? 2 : 2 + header.readUInt16BE(2);
    if (METADATA.has(marker)) metadataBytes += bytesHere;
    offset += bytesHere;
  }
  return frame && { ...sizeOf(frame), scansFrom: offset };
};

const PIECE_BYTES = 64 * 1024;

/** The next marker past what is no segment, as decoders look for it; null where there is none. */
async function findMarker(bytes: ByteWindow, from: number): Promise<number | null> {
  for (let at = from; at < bytes.size; at += PIECE_BYTES) {
    // One byte more, so that a marker across two pieces is seen in the first of them.
    const piece = await bytes.read(at, PIECE_BYTES + 1);
    for (let found = piece.indexOf(0xff); found !== -1; found = piece.indexOf(0xff, found + 1))
      if ((piece[found + 1] ?? 0) !== 0) return at + found;
  }
  return null;
}

const [EOI, SOS, COM] = [0xd9, 0xda, 0xfe];
/** APP1 and APP3 to APP13, where Exif, XMP, IPTC and what editors keep stand. A profile (APP2) and Adobe's colour transform (APP14) are none. */
const METADATA: ReadonlySet<number> = new Set([0xe1, ...Array.from({ length: 11 }, (_, index) => 0xe3 + index), COM]);

type Frame = Size & { components: number; isProgressive: boolean };

function readFrame(header: Buffer): Frame | null {
  if (header.length < 10) return null;
  const isProgressive = ((header[1] ?? 0) & 3) === 2;
  return { height: header.readUInt16BE(5), width: header.readUInt16BE(7), components: header[9] ?? 0, isProgressive };
}

function isFrameMarker(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** Whether the scan that begins here is the only one. */
function isWholeScan({ isProgressive, components }: Frame, header: Buffer): boolean {
  return !isProgressive && (header[4] ?? 0) >= components;
}

function sizeOf({ width, height }: Size): Size {
  return { width, height };
}
