import { readAvifItems, readBoxes, VERSION_BYTES, withinBounds, type AvifItems, type Box } from "../headers/avif-items.ts";

/**
 * Whether an AVIF is nothing but its picture: then it can stay as it is, byte for byte. Metadata, thumbnails, other pictures, what turns or
 * cuts it (and may hide what was cut off) and bytes that belong to nothing make it another matter, and so does all that is not known here. What
 * AV1 itself has beside a picture (metadata OBUs) is not looked for, nor what a profile says of its maker.
 */
export function isBareAvif(file: Buffer): boolean {
  return withinBounds(() => isBare(file)) ?? false;
}

/** ISO/IEC 14496-12, 4.3: encoders name some eight brands, of four bytes each. */
const BRANDS_BYTES_MAX = 64;

function isBare(file: Buffer): boolean {
  const whole = readAvif(file);
  if (whole === null || whole.brands.length > BRANDS_BYTES_MAX || !isPictureOnly(whole.items) || !isTerse(whole.items)) return false;
  const pieces = readPlaces(whole.items).flatMap((place) => place.pieces);
  return isFilled(pieces, { from: file.length - whole.data.length, to: file.length });
}

/** As all encoders have them. A sequence of pictures has more (`moov`). */
const FILE_BOXES = ["ftyp", "meta", "mdat"];

/** The bodies of a file's boxes, and what stands in them; null where it has others, a RangeError where one is cut off. */
export function readAvif(file: Buffer): { brands: Buffer; meta: Buffer; data: Buffer; items: AvifItems } | null {
  const boxes = readBoxes(file, FILE_BOXES.length);
  const [brands, meta, data] = boxes;
  if (!brands || !meta || !data || boxes.some(({ type }, index) => type !== FILE_BOXES[index])) return null;
  const items = readAvifItems(meta.body);
  return items && { brands: brands.body, meta: meta.body, data: data.body, items };
}

const META_BOXES = new Set(["hdlr", "pitm", "iloc", "iinf", "iprp", "iref"]);
/** AV1, and a picture that is put together of others as tiles: ISO/IEC 23008-12, 6.6.2.3. */
const PICTURES = new Set(["av01", "grid"]);
const REFERENCES = new Set(["auxl", "dimg"]);
/** How long they are at most. A sequence header, which `av1C` may repeat, takes some twelve bytes; a profile (`colr`) is as long as it is. */
const PROPERTIES: ReadonlyMap<string, number> = new Map([
  ["ispe", 12],
  ["pixi", 9],
  ["av1C", 32],
  ["colr", Infinity],
  ["auxC", 64],
]);
/** `nclx`, three numbers and a bit. */
const NUMBERED_BYTES = 11;
/** AVIF 1.1, 4.1: other auxiliary pictures are depth, or lighter and darker ones. */
const ALPHA = "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0";

function isPictureOnly({ boxes, primary, types, references, properties }: AvifItems): boolean {
  const isKnown =
    [...boxes.keys()].every((type) => META_BOXES.has(type)) &&
    [...types.values()].every((type) => PICTURES.has(type)) &&
    references.every(({ type }) => REFERENCES.has(type)) &&
    properties.every(isKnownProperty);
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

function isKnownProperty({ type, body }: Box): boolean {
  if (body.length > (PROPERTIES.get(type) ?? -1)) return false;
  if (type === "colr") return body.toString("latin1", 0, 4) !== "nclx" || body.length === NUMBERED_BYTES;
  return type !== "auxC" || isAlpha(body);
}

function isAlpha(auxC: Buffer): boolean {
  return auxC.toString("latin1", VERSION_BYTES) === ALPHA;
}

/** `PictureHandler` and a zero are 15 bytes; libheif leaves it empty. */
const MAKER_BYTES_MAX = 16;
/** `Color` and `Alpha`, as libavif and FFmpeg have it, each with a zero. */
const NAME_BYTES_MAX = 6;
/** 8.4.3 and 8.11.6: what stands before the names. */
const [HDLR_BYTES, INFE_BYTES] = [24, 12];

/** Whether names are as short as encoders write them, each property is an item's, and boxes end with what is read of them. */
function isTerse({ boxes, types, references, properties, propertiesOf }: AvifItems): boolean {
  const bytesOf = (type: string) => boxes.get(type) ?? Buffer.alloc(0);
  const items = readBoxes(bytesOf("iinf").subarray(VERSION_BYTES + 2));
  const ipma = readBoxes(bytesOf("iprp")).find(({ type }) => type === "ipma")?.body ?? Buffer.alloc(0);
  const used = new Set([...propertiesOf].flatMap(([item, own]) => (types.has(item) ? own : [])));
  const numberBytes = (ipma.readUInt8(3) & 1) + 1;
  const ipmaBytes = [...propertiesOf.values()].reduce((sum, own) => sum + 3 + numberBytes * own.length, VERSION_BYTES + 4);
  const irefBytes = references.reduce((sum, { to }) => sum + 12 + 2 * to.length, VERSION_BYTES);
  return (
    bytesOf("hdlr").length <= HDLR_BYTES + MAKER_BYTES_MAX &&
    items.every(({ body }) => body.length <= INFE_BYTES + NAME_BYTES_MAX) &&
    properties.every((property) => used.has(property)) &&
    bytesOf("pitm").length === VERSION_BYTES + 2 &&
    ipma.length === ipmaBytes &&
    (!boxes.has("iref") || bytesOf("iref").length === irefBytes)
  );
}

export type Piece = { from: number; to: number };
/** Where an item's data lie in the file. */
export type Place = { item: number; pieces: Piece[] };

/** ISO/IEC 14496-12, 8.11.3: in numbers of four bytes. A RangeError where they lie elsewhere. */
export function readPlaces({ boxes, types }: AvifItems): Place[] {
  const iloc = boxes.get("iloc") ?? Buffer.alloc(0);
  const [version, sizes, baseBytes] = [iloc.readUInt8(0), iloc.readUInt8(4), iloc.readUInt8(5) >> 4];
  if (version > 1 || sizes !== 0x44 || (baseBytes !== 0 && baseBytes !== 4) || (iloc.readUInt8(5) & 15) !== 0) throw new RangeError("iloc");
  const places: Place[] = [];
  let at = 8;
  for (let items = iloc.readUInt16BE(6); items > 0; items -= 1) {
    // Version 1 says how an item is built; each says which file it lies in. 0 is this one, as it is.
    const ways = iloc.subarray(at + 2, at + (version === 1 ? 6 : 4));
    const item = iloc.readUInt16BE(at);
    if (!types.has(item) || ways.some((byte) => byte !== 0)) throw new RangeError("iloc");
    const pieces: Piece[] = [];
    places.push({ item, pieces });
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
  // Of an item that comes twice, decoders read the data of one.
  if (at !== iloc.length || new Set(places.map(({ item }) => item)).size !== places.length) throw new RangeError("iloc");
  return places;
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
