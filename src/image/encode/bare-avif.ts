import { readAvifItems, readBoxes, VERSION_BYTES, withinBounds, type AvifItems } from "../headers/avif-items.ts";

/**
 * Whether an AVIF is nothing but its picture: then it can stay as it is, byte for byte. Metadata, thumbnails, other pictures, what turns or
 * cuts it (and may hide what was cut off) and bytes that belong to nothing make it another matter, and so does all that is not known here.
 */
export function isBareAvif(file: Buffer): boolean {
  return withinBounds(() => isBare(file)) ?? false;
}

/** As all encoders have them. A sequence of pictures has more (`moov`). */
const FILE_BOXES = ["ftyp", "meta", "mdat"];

function isBare(file: Buffer): boolean {
  const boxes = readBoxes(file, FILE_BOXES.length);
  const [, meta, data] = boxes;
  if (!meta || !data || boxes.some(({ type }, index) => type !== FILE_BOXES[index])) return false;
  const items = readAvifItems(meta.body);
  if (items === null || !isPictureOnly(items)) return false;
  return isFilled(readPieces(items), { from: file.length - data.body.length, to: file.length });
}

const META_BOXES = new Set(["hdlr", "pitm", "iloc", "iinf", "iprp", "iref"]);
/** AV1, and a picture that is put together of others as tiles: ISO/IEC 23008-12, 6.6.2.3. */
const PICTURES = new Set(["av01", "grid"]);
const REFERENCES = new Set(["auxl", "dimg"]);
const PROPERTIES = new Set(["ispe", "pixi", "av1C", "colr", "auxC"]);
/** AVIF 1.1, 4.1: other auxiliary pictures are depth, or lighter and darker ones. */
const ALPHA = "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0";

function isPictureOnly({ boxes, primary, types, references, properties }: AvifItems): boolean {
  const isKnown =
    [...boxes.keys()].every((type) => META_BOXES.has(type)) &&
    [...types.values()].every((type) => PICTURES.has(type)) &&
    references.every(({ type }) => REFERENCES.has(type)) &&
    properties.every(({ type, body }) => PROPERTIES.has(type) && (type !== "auxC" || isAlpha(body)));
  if (!isKnown) return false;
  const shown = new Set([primary]);
  // The picture and its transparency, the tiles of both, and the transparency of tiles.
  for (let round = 0; round < 3; round += 1)
    for (const { type, from, to } of references) {
      if (type === "dimg" && shown.has(from)) for (const tile of to) shown.add(tile);
      if (type === "auxl" && to.every((item) => shown.has(item))) shown.add(from);
    }
  return [...types.keys()].every((item) => shown.has(item)) && types.has(primary);
}

function isAlpha(auxC: Buffer): boolean {
  return auxC.toString("latin1", VERSION_BYTES) === ALPHA;
}

type Piece = { from: number; to: number };

/** ISO/IEC 14496-12, 8.11.3: where the items' data lie in the file, in numbers of four bytes. A RangeError where they lie elsewhere. */
function readPieces({ boxes, types }: AvifItems): Piece[] {
  const iloc = boxes.get("iloc") ?? Buffer.alloc(0);
  const [version, sizes, baseBytes] = [iloc.readUInt8(0), iloc.readUInt8(4), iloc.readUInt8(5) >> 4];
  if (version > 1 || sizes !== 0x44 || (baseBytes !== 0 && baseBytes !== 4) || (iloc.readUInt8(5) & 15) !== 0) throw new RangeError("iloc");
  const pieces: Piece[] = [];
  let at = 8;
  for (let items = iloc.readUInt16BE(6); items > 0; items -= 1) {
    // Version 1 says how an item is built; each says which file it lies in. 0 is this one, as it is.
    const ways = iloc.subarray(at + 2, at + (version === 1 ? 6 : 4));
    if (!types.has(iloc.readUInt16BE(at)) || ways.some((byte) => byte !== 0)) throw new RangeError("iloc");
    at += 2 + ways.length;
    const base = baseBytes === 4 ? iloc.readUInt32BE(at) : 0;
    const count = iloc.readUInt16BE(at + baseBytes);
    at += baseBytes + 2;
    for (let piece = 0; piece < count; piece += 1) {
      const [from, bytes] = [base + iloc.readUInt32BE(at), iloc.readUInt32BE(at + 4)];
      // As far as the file goes.
      if (bytes === 0) throw new RangeError("iloc");
      pieces.push({ from, to: from + bytes });
      at += 8;
    }
  }
  return pieces;
}

/** Whether each byte of the data is an item's. Items of the same data share them. */
function isFilled(pieces: Piece[], data: Piece): boolean {
  let filled = data.from;
  for (const { from, to } of pieces.toSorted((one, other) => one.from - other.from)) {
    if (from < data.from || from > filled) return false;
    filled = Math.max(filled, to);
  }
  return filled === data.to;
}
