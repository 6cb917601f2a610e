import { readBoxes, VERSION_BYTES, withinBounds } from "../headers/avif-items.ts";
import { isBareAvif, readAvif, readPlaces, type Piece, type Place } from "./bare-avif.ts";

/**
 * An AVIF without its Exif and XMP, the picture's bytes untouched: as it is where it has none. Null where anything else would stay beside the
 * picture.
 */
export function stripAvif(file: Buffer): Buffer | null {
  if (isBareAvif(file)) return file;
  const stripped = withinBounds(() => cutMetadata(file));
  return stripped !== null && isBareAvif(stripped) ? stripped : null;
}

/** ISO/IEC 23008-12, A.2.1 and A.3: XMP is a MIME type's item, as all other text is. */
const METADATA = new Set(["Exif", "mime"]);
const BOX_HEADER_BYTES = 8;

function cutMetadata(file: Buffer): Buffer | null {
  const whole = readAvif(file);
  if (whole === null) return null;
  const { brands, meta, data, items } = whole;
  const isCut = (item: number) => METADATA.has(items.types.get(item) ?? "");
  // What the picture refers to, or what has properties as a picture has, is no metadata.
  const isNeeded = items.references.some(({ from, to }) => !isCut(from) && to.some(isCut)) || [...items.propertiesOf.keys()].some(isCut);
  const places = readPlaces(items);
  const cuts = findCuts(places, isCut, { from: file.length - data.length, to: file.length });
  if (isNeeded || cuts === null) return null;
  const kept = places.filter(({ item }) => !isCut(item));
  const boxes = (movedBy: number) => [box("ftyp", brands), box("meta", shrinkMeta(meta, isCut, moveAll(kept, cuts, movedBy)))];
  const pixels = cutOut(file, file.length - data.length, cuts);
  // What stands before the data is as long wherever they are said to lie.
  const bytesBefore = Buffer.concat(boxes(0)).length + BOX_HEADER_BYTES;
  const pixelBytes = pixels.reduce((sum, { length }) => sum + length, 0);
  return Buffer.concat([...boxes(bytesBefore - (file.length - data.length)), boxHead("mdat", pixelBytes), ...pixels]);
}

/** In their order; null where there are none, they lie elsewhere, or share bytes with each other or with the picture. */
function findCuts(places: Place[], isCut: (item: number) => boolean, data: Piece): Piece[] | null {
  const pieces = places.flatMap((place) => place.pieces.map((piece) => ({ ...piece, isCut: isCut(place.item) })));
  const sorted = pieces.toSorted((one, other) => one.from - other.from);
  let [filled, cutTo] = [data.from, data.from];
  for (const piece of sorted) {
    if (piece.from < (piece.isCut ? filled : cutTo) || piece.to > data.to) return null;
    filled = Math.max(filled, piece.to);
    if (piece.isCut) cutTo = piece.to;
  }
  const cuts = sorted.filter((piece) => piece.isCut);
  return cuts.length === 0 ? null : cuts;
}

/** Where the picture's data lie once what was cut out before them is gone, and what stands before all data is `movedBy` longer. */
function moveAll(places: Place[], cuts: Piece[], movedBy: number): Place[] {
  const cutBefore = (at: number) => cuts.reduce((sum, { from, to }) => sum + (from < at ? to - from : 0), 0);
  const move = ({ from, to }: Piece) => ({ from: from + movedBy - cutBefore(from), to: to + movedBy - cutBefore(from) });
  return places.map(({ item, pieces }) => ({ item, pieces: pieces.map(move) }));
}

function cutOut(file: Buffer, start: number, cuts: Piece[]): Buffer[] {
  const starts = [start, ...cuts.map(({ to }) => to)];
  return starts.map((from, index) => file.subarray(from, cuts[index]?.from ?? file.length));
}

function shrinkMeta(meta: Buffer, isCut: (item: number) => boolean, places: Place[]): Buffer {
  const shrunk = readBoxes(meta.subarray(VERSION_BYTES)).map(({ type, body }) => {
    if (type === "iloc") return box(type, writePlaces(body, places));
    if (type === "iinf")
      return box(
        type,
        dropEntries(body, VERSION_BYTES + 2, (entry) => isCut(entry.readUInt16BE(VERSION_BYTES))),
      );
    if (type !== "iref") return box(type, body);
    const references = dropEntries(body, VERSION_BYTES, (entry) => isCut(entry.readUInt16BE(0)));
    return references.length === VERSION_BYTES ? Buffer.alloc(0) : box(type, references);
  });
  return Buffer.concat([meta.subarray(0, VERSION_BYTES), ...shrunk]);
}

/** ISO/IEC 14496-12, 8.11.6 and 8.11.12: boxes behind a head, which counts them in its last two bytes where it has any beside the version. */
function dropEntries(body: Buffer, headBytes: number, isDropped: (entry: Buffer) => boolean): Buffer {
  const entries = readBoxes(body.subarray(headBytes)).filter((entry) => !isDropped(entry.body));
  const head = Buffer.from(body.subarray(0, headBytes));
  if (headBytes > VERSION_BYTES) head.writeUInt16BE(entries.length, VERSION_BYTES);
  return Buffer.concat([head, ...entries.map((entry) => box(entry.type, entry.body))]);
}

/** 8.11.3, as readPlaces() has read it: what it says beside where the data lie is zero. */
function writePlaces(iloc: Buffer, places: Place[]): Buffer {
  const head = Buffer.from(iloc.subarray(0, 8));
  head.writeUInt16BE(places.length, 6);
  const [wayBytes, baseBytes] = [iloc.readUInt8(0) === 1 ? 4 : 2, iloc.readUInt8(5) >> 4];
  const entries = places.map(({ item, pieces }) => {
    const base = baseBytes === 0 ? 0 : Math.min(...pieces.map(({ from }) => from));
    const bases = baseBytes === 0 ? [] : [u32(base)];
    const extents = pieces.flatMap(({ from, to }) => [u32(from - base), u32(to - from)]);
    return Buffer.concat([u16(item), Buffer.alloc(wayBytes), ...bases, u16(pieces.length), ...extents]);
  });
  return Buffer.concat([head, ...entries]);
}

function box(type: string, body: Buffer): Buffer {
  return Buffer.concat([boxHead(type, body.length), body]);
}

function boxHead(type: string, bodyBytes: number): Buffer {
  return Buffer.concat([u32(BOX_HEADER_BYTES + bodyBytes), Buffer.from(type, "latin1")]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
