/** What stands in an AVIF, and how it is shown: ISO/IEC 14496-12, 8.11, and ISO/IEC 23008-12. */
export type AvifItems = {
  /** Of the boxes in `meta`, each of which is there once. */
  boxes: ReadonlyMap<string, Buffer>;
  primary: number;
  /** By the numbers of the items. */
  types: ReadonlyMap<number, string>;
  references: { type: string; from: number; to: number[] }[];
  /** All that the file has, and those of each item. */
  properties: Box[];
  propertiesOf: ReadonlyMap<number, Box[]>;
};

export type Box = { type: string; body: Buffer };

/** More than any picture takes; a hostile one is not read through. */
const META_BYTES_MAX = 64 * 1024;
const META_BOXES_MAX = META_BYTES_MAX / 8;

/** Null where a read goes past the end of what it reads from: a Buffer refuses that by itself, and each box is one of its own. */
export function withinBounds<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** ISO/IEC 14496-12, 4.2.2: boxes follow each other and fill what they stand in. A RangeError where they do not, or are too many. */
export function readBoxes(bytes: Buffer, countMax = META_BOXES_MAX): Box[] {
  const boxes: Box[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = bytes.readUInt32BE(at);
    const type = bytes.toString("latin1", at + 4, at + 8);
    if (boxes.length === countMax || size < BOX_HEADER_BYTES || at + size > bytes.length) throw new RangeError(`a box of ${size} bytes`);
    boxes.push({ type, body: bytes.subarray(at + BOX_HEADER_BYTES, at + size) });
    at += size;
  }
  return boxes;
}

/** The body of `meta`, which comes first but for a box or two; null where it is not all there. */
export function findMeta(head: Buffer): Buffer | null {
  for (let [at, box] = [0, 0]; box < BOXES_BEFORE_META_MAX && at + BOX_HEADER_BYTES <= head.length; box += 1) {
    const end = at + Math.max(BOX_HEADER_BYTES, head.readUInt32BE(at));
    if (head.toString("latin1", at + 4, at + 8) === "meta") return end > head.length ? null : head.subarray(at + BOX_HEADER_BYTES, end);
    at = end;
  }
  return null;
}

const BOXES_BEFORE_META_MAX = 8;
const BOX_HEADER_BYTES = 8;
/** 4.2.2: a version and flags stand before all else. */
export const VERSION_BYTES = 4;

/**
 * Reads the body of a `meta` box, as encoders write it: with numbers of items below 65,536. Null where something else stands there, a
 * RangeError where it is cut off.
 */
export function readAvifItems(meta: Buffer): AvifItems | null {
  if (meta.length > META_BYTES_MAX) return null;
  const boxes = byType(readBoxes(meta.subarray(VERSION_BYTES)));
  const iprp = byType(readBoxes(boxes?.get("iprp") ?? NONE));
  const [pitm, iinf, ipco, ipma] = [boxes?.get("pitm"), boxes?.get("iinf"), iprp?.get("ipco"), iprp?.get("ipma")];
  if (!boxes || !pitm || !iinf || !ipco || !ipma || iprp?.size !== 2) return null;
  const references = boxes.get("iref");
  if ([pitm, iinf, ipma, references].some((box) => box && box.readUInt8(0) !== 0)) return null;
  const types = readTypes(iinf);
  const properties = readBoxes(ipco);
  const propertiesOf = readAssociations(ipma, properties);
  return (
    types &&
    propertiesOf && {
      boxes,
      primary: pitm.readUInt16BE(VERSION_BYTES),
      types,
      references: references === undefined ? [] : readReferences(references),
      properties,
      propertiesOf,
    }
  );
}

const NONE = Buffer.alloc(0);

function byType(boxes: Box[]): Map<string, Buffer> | null {
  const bodies = new Map(boxes.map(({ type, body }) => [type, body]));
  return bodies.size === boxes.length ? bodies : null;
}

/** ISO/IEC 14496-12, 8.11.6. */
function readTypes(iinf: Buffer): Map<number, string> | null {
  const entries = readBoxes(iinf.subarray(VERSION_BYTES + 2));
  if (entries.some(({ type, body }) => type !== "infe" || body.readUInt8(0) !== 2 || body.length < 12)) return null;
  const types = new Map(entries.map(({ body }) => [body.readUInt16BE(VERSION_BYTES), body.toString("latin1", 8, 12)]));
  return types.size === entries.length ? types : null;
}

/** ISO/IEC 14496-12, 8.11.12. */
function readReferences(iref: Buffer): AvifItems["references"] {
  return readBoxes(iref.subarray(VERSION_BYTES)).map(({ type, body }) => {
    const to = Array.from({ length: body.readUInt16BE(2) }, (_, index) => body.readUInt16BE(4 + 2 * index));
    return { type, from: body.readUInt16BE(0), to };
  });
}

/** ISO/IEC 23008-12, 9.3.1: which properties an item has, counted from 1; 0 is none. A bit says whether a reader must know it. */
function readAssociations(ipma: Buffer, properties: readonly Box[]): Map<number, Box[]> | null {
  const isWide = (ipma.readUInt8(3) & 1) === 1;
  const found = new Map<number, Box[]>();
  let at = VERSION_BYTES + 4;
  for (let entries = ipma.readUInt32BE(VERSION_BYTES); entries > 0; entries -= 1) {
    const [item, count] = [ipma.readUInt16BE(at), ipma.readUInt8(at + 2)];
    at += 3;
    const own: Box[] = [];
    for (let index = 0; index < count; index += 1) {
      const property = isWide ? ipma.readUInt16BE(at) & 0x7fff : ipma.readUInt8(at) & 0x7f;
      const box = properties[property - 1];
      if (box) own.push(box);
      at += isWide ? 2 : 1;
    }
    if (found.has(item)) return null;
    found.set(item, own);
  }
  return found;
}
