import { constants, crc32, deflateRawSync, deflateSync } from "node:zlib";

/** Files that claim much and hold little, made byte by byte, since no encoder would write them. */

const ZEROS_BYTES = 1024 * 1024;

/** A zlib stream of so many zeros, which is one piece of a megabyte repeated: no piece refers to another. */
function deflateZeros(bytes: number): Buffer {
  const piece = deflateRawSync(Buffer.alloc(ZEROS_BYTES), { level: 9, finishFlush: constants.Z_FULL_FLUSH });
  const rest = deflateRawSync(Buffer.alloc(bytes % ZEROS_BYTES), { level: 9 });
  const checksum = Buffer.alloc(4);
  // Adler-32 of zeros: the first sum stays 1, the second counts them.
  checksum.writeUInt32BE((bytes % 65_521) * 65_536 + 1);
  return Buffer.concat([Buffer.from([0x78, 0xda]), ...Array<Buffer>(Math.floor(bytes / ZEROS_BYTES)).fill(piece), rest, checksum]);
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  return Buffer.concat([u32(data.length), body, u32(crc32(body))]);
}

/** Colour types of PNG 3rd edition, 11.2.1. */
const PNG_COLOURS = { grey: [0, 1], rgb: [2, 3], palette: [3, 1], rgba: [6, 4] } as const;
export type BlackPng = {
  width: number;
  height: number;
  bits?: number;
  colour?: keyof typeof PNG_COLOURS;
  isInterlaced?: boolean;
  extra?: Buffer[];
};

/** A whole, valid PNG, all black. */
export function blackPng({ width, height, bits = 8, colour = "rgb", isInterlaced = false, extra = [] }: BlackPng): Buffer {
  const [type, channels] = PNG_COLOURS[colour];
  const rowBytes = (columns: number) => (columns === 0 ? 0 : 1 + Math.ceil((columns * channels * bits) / 8));
  const bytes = isInterlaced
    ? ADAM7.reduce((sum, [x, y, dx, dy]) => sum + rowBytes(Math.ceil((width - x) / dx)) * Math.ceil((height - y) / dy), 0)
    : rowBytes(width) * height;
  const header = Buffer.concat([u32(width), u32(height), Buffer.from([bits, type, 0, 0, isInterlaced ? 1 : 0])]);
  const palette = colour === "palette" ? [pngChunk("PLTE", Buffer.alloc(3 * 2 ** Math.min(8, bits)))] : [];
  return Buffer.concat([
    Buffer.from("\u0089PNG\r\n\u001A\n", "latin1"),
    pngChunk("IHDR", header),
    ...palette,
    ...extra,
    pngChunk("IDAT", deflateZeros(bytes)),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

/** First column and row of each pass, and its steps. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** Text, or a profile, that unpacks to so many bytes. */
export function pngBomb(type: "zTXt" | "iCCP" | "iTXt", bytes: number): Buffer {
  const before = type === "iTXt" ? "Comment\0\u0001\0\0\0" : "Comment\0\0";
  return pngChunk(type, Buffer.concat([Buffer.from(before, "latin1"), deflateZeros(bytes)]));
}

export type Gif = {
  screen: [width: number, height: number];
  frame: [width: number, height: number];
  at?: [left: number, top: number];
  frames?: number;
  /** Which of its two colours, of which it uses the first, dark red. */
  transparent?: number;
};

/** A GIF of so many frames, each of one colour. */
export function gif({ screen, frame, at = [0, 0], frames = 1, transparent }: Gif): Buffer {
  const header = Buffer.concat([
    Buffer.from("GIF89a", "latin1"),
    u16le(screen[0]),
    u16le(screen[1]),
    Buffer.from([0x80, 0, 0, 200, 30, 30, 0, 0, 0]),
  ]);
  const control = Buffer.from([0x21, 0xf9, 4, transparent === undefined ? 0 : 1, 5, 0, transparent ?? 0, 0]);
  const descriptor = Buffer.concat([Buffer.from([0x2c]), ...[...at, ...frame].map(u16le), Buffer.from([0])]);
  const image = Buffer.concat([control, descriptor, lzwZeros(frame[0] * frame[1])]);
  return Buffer.concat([header, ...Array<Buffer>(frames).fill(image), Buffer.from([0x3b])]);
}

/** LZW of so many zeros, each as a code of its own: a clear code in time keeps codes at three bits. */
function lzwZeros(pixels: number): Buffer {
  const [clear, end] = [4, 5];
  const codes: number[] = [];
  // No more than a frame needs to begin with; decoders take what is there.
  for (let at = 0; at < Math.min(pixels, 4_000); at += 2) codes.push(clear, 0, 0);
  codes.push(end);
  const bits = Buffer.alloc(Math.ceil((codes.length * 3) / 8));
  codes.forEach((code, index) => {
    for (let bit = 0; bit < 3; bit += 1)
      if (code & (1 << bit)) bits[(index * 3 + bit) >> 3] = (bits[(index * 3 + bit) >> 3] ?? 0) | (1 << ((index * 3 + bit) & 7));
  });
  const blocks: Buffer[] = [Buffer.from([2])];
  for (let at = 0; at < bits.length; at += 255) blocks.push(Buffer.from([Math.min(255, bits.length - at)]), bits.subarray(at, at + 255));
  return Buffer.concat([...blocks, Buffer.from([0])]);
}

export type ProgressiveJpeg = {
  width: number;
  height: number;
  scans: number;
  /** Between the header that says the size and the tables. */
  behindFrame?: Buffer;
};

/**
 * A valid grey progressive JPEG: after its first scan each adds one more bit of one coefficient to every block, which
 * is nothing, said in 15 bits for 32,767 blocks at once. At most 1 + 63 x 14 scans are allowed by the standard.
 */
export function progressiveJpeg({ width, height, scans, behindFrame = Buffer.alloc(0) }: ProgressiveJpeg): Buffer {
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  const segment = (marker: number, data: Buffer) => Buffer.concat([Buffer.from([0xff, marker]), u16(data.length + 2), data]);
  const parts: Buffer[] = [
    Buffer.from([0xff, 0xd8]),
    segment(0xdb, Buffer.concat([Buffer.from([0]), Buffer.alloc(64, 1)])),
    segment(0xc2, Buffer.concat([Buffer.from([8]), u16(height), u16(width), Buffer.from([1, 1, 0x11, 0])])),
    behindFrame,
    // One code of one bit each: "no difference" for the first coefficients, "the next 16,384 to 32,767 blocks have nothing" for the others.
    segment(0xc4, Buffer.concat([Buffer.from([0x00, 1]), Buffer.alloc(15), Buffer.from([0x00])])),
    segment(0xc4, Buffer.concat([Buffer.from([0x10, 1]), Buffer.alloc(15), Buffer.from([0xe0])])),
  ];
  const scan = (spectrum: [number, number], approximation: number, data: Buffer) =>
    parts.push(segment(0xda, Buffer.from([1, 1, 0, ...spectrum, approximation])), data);
  scan([0, 0], 0, Buffer.alloc(Math.ceil(blocks / 8)));
  const runs = endOfBandRuns(blocks);
  for (let made = 1; made < scans; made += 1) {
    const [coefficient, step] = [1 + Math.floor((made - 1) / 14), (made - 1) % 14];
    scan([coefficient, coefficient], step === 0 ? 13 : ((14 - step) << 4) | (13 - step), runs);
  }
  return Buffer.concat([...parts, Buffer.from([0xff, 0xd9])]);
}

function endOfBandRuns(blocks: number): Buffer {
  const [least, most] = [16_384, 32_767];
  const runs: number[] = [];
  for (let left = blocks; left > 0;) {
    // The last two share what is left, so that neither is too short to be said.
    const run = left <= most ? left : left < least + most ? left - least : most;
    runs.push(run);
    left -= run;
  }
  const bits = runs.map((run) => `0${(Math.max(run, least) - least).toString(2).padStart(14, "0")}`).join("");
  return packBits(bits);
}

/** A JPEG of 8 x 8 pixels of one colour, of four components as they are stored; `transform` is Adobe's, none without its marker. */
export function flatJpeg(stored: readonly [number, number, number, number], transform?: 0 | 2): Buffer {
  const segment = (marker: number, data: Buffer) => Buffer.concat([Buffer.from([0xff, marker]), u16(data.length + 2), data]);
  const components = (tail: number[]) => Buffer.from([1, 2, 3, 4].flatMap((id) => [id, ...tail]));
  // Codes of four bits for the twelve lengths that a value can have, and one of one bit for "nothing else in this block".
  const bits = stored
    .map((value) => {
      const coefficient = (value - 128) * 8;
      const length = coefficient === 0 ? 0 : Math.abs(coefficient).toString(2).length;
      const said = coefficient < 0 ? coefficient + 2 ** length - 1 : coefficient;
      return length.toString(2).padStart(4, "0") + (length === 0 ? "" : said.toString(2).padStart(length, "0")) + "0";
    })
    .join("");
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    ...(transform === undefined
      ? []
      : [segment(0xee, Buffer.concat([Buffer.from("Adobe", "latin1"), Buffer.from([0, 100, 0, 0, 0, 0, transform])]))]),
    segment(0xdb, Buffer.concat([Buffer.from([0]), Buffer.alloc(64, 1)])),
    segment(0xc0, Buffer.concat([Buffer.from([8, 0, 8, 0, 8, 4]), components([0x11, 0])])),
    segment(0xc4, Buffer.from([0x00, 0, 0, 0, 12, ...Array<number>(12).fill(0), ...Array.from({ length: 12 }, (_, index) => index)])),
    segment(0xc4, Buffer.from([0x10, 1, ...Array<number>(15).fill(0), 0])),
    segment(0xda, Buffer.concat([Buffer.from([4]), components([0]), Buffer.from([0, 63, 0])])),
    packBits(bits),
    Buffer.from([0xff, 0xd9]),
  ]);
}

/** Padded with ones, and with a zero after each 0xff, as within a JPEG's scan. */
function packBits(bits: string): Buffer {
  const bytes = (bits.match(/.{1,8}/g) ?? []).map((byte) => Number.parseInt(byte.padEnd(8, "1"), 2));
  return Buffer.from(bytes.flatMap((byte) => (byte === 0xff ? [0xff, 0] : [byte])));
}

export type BlackTiff = {
  width: number;
  height: number;
  rowsPerStrip?: number;
  tile?: number;
  pages?: number;
  isDeflated?: boolean;
  /** Deflated, and no smaller for it. */
  isStored?: boolean;
  samples?: number;
  bits?: number;
  /** Each colour in strips or tiles of its own. */
  isPlanar?: boolean;
  photometric?: number;
  sampleFormat?: number;
  /** How high its tiles are said to be the second time. */
  tileAgain?: number;
  next?: "loop";
};

/** A TIFF, all black; its strips or tiles are all the same bytes of the file. */
export function blackTiff({
  width,
  height,
  rowsPerStrip = height,
  tile,
  pages = 1,
  isDeflated = true,
  isStored = false,
  samples = 3,
  bits = 8,
  isPlanar = false,
  photometric = samples >= 3 ? 2 : 1,
  sampleFormat,
  tileAgain,
  next,
}: BlackTiff): Buffer {
  const planes = isPlanar ? samples : 1;
  const pieces = planes * (tile ? Math.ceil(width / tile) * Math.ceil(height / tile) : Math.ceil(height / rowsPerStrip));
  const bytes = ((tile ? tile * tile : width * rowsPerStrip) * (samples / planes) * bits) / 8;
  const zeros = () => (isDeflated ? deflateZeros(bytes) : Buffer.alloc(bytes));
  const data = isStored ? deflateSync(Buffer.alloc(bytes), { level: 0 }) : zeros();
  const parts: Buffer[] = [data];
  let at = 8 + data.length;
  const put = (values: number[]) => {
    const from = at;
    parts.push(Buffer.concat(values.map(u32le)));
    at += 4 * values.length;
    return from;
  };
  const list = (values: number[]) => (values.length === 1 ? (values[0] ?? 0) : put(values));
  const [offsets, lengths] = [list(Array<number>(pieces).fill(8)), list(Array<number>(pieces).fill(data.length))];
  const pieceTags: Tag[] = tile
    ? [
        [322, 1, tile],
        [323, 1, tile],
        ...(tileAgain === undefined ? [] : [[323, 1, tileAgain] as Tag]),
        [324, pieces, offsets],
        [325, pieces, lengths],
      ]
    : [
        [273, pieces, offsets],
        [278, 1, rowsPerStrip],
        [279, pieces, lengths],
      ];
  const bitsPerSample = samples === 1 ? bits : put(Array<number>(samples).fill(bits));
  const tags: Tag[] = [
    [256, 1, width],
    [257, 1, height],
    [258, samples, bitsPerSample],
    [259, 1, isDeflated ? 8 : 1],
    [262, 1, photometric],
    [277, 1, samples],
    [284, 1, isPlanar ? 2 : 1],
    ...(samples === 4 ? [[338, 1, 2] as Tag] : []),
    ...(sampleFormat === undefined ? [] : [[339, samples, list(Array<number>(samples).fill(sampleFormat))] as Tag]),
    ...pieceTags,
  ];
  const directoryBytes = 2 + 12 * tags.length + 4;
  const first = at;
  for (let page = 0; page < pages; page += 1) {
    const following = page + 1 < pages ? first + (page + 1) * directoryBytes : next === "loop" ? first : 0;
    parts.push(directory(tags, following));
  }
  return Buffer.concat([Buffer.from("II*\0", "latin1"), u32le(first), ...parts]);
}

type Tag = [tag: number, count: number, value: number];

function directory(tags: Tag[], next: number): Buffer {
  const entries = tags
    .toSorted(([a], [b]) => a - b)
    .map(([tag, count, value]) => Buffer.concat([u16le(tag), u16le(4), u32le(count), u32le(value)]));
  return Buffer.concat([u16le(tags.length), ...entries, u32le(next)]);
}

/** JPEG segments between a file's first two bytes and the rest. */
export function withJpegSegments(jpeg: Buffer, marker: number, payloads: Buffer[]): Buffer {
  const segments = payloads.map((data) => Buffer.concat([Buffer.from([0xff, marker]), u16(data.length + 2), data]));
  return Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);
}

/** A JPEG whose frame claims another size than its data has. */
export function withJpegSize(jpeg: Buffer, width: number, height: number): Buffer {
  const copy = Buffer.from(jpeg);
  const at = copy.findIndex((byte, index) => byte === 0xff && (copy[index + 1] === 0xc0 || copy[index + 1] === 0xc2));
  copy.writeUInt16BE(height, at + 5);
  copy.writeUInt16BE(width, at + 7);
  return copy;
}

/** An AVIF whose `ispe` (the size of its item) claims another size than its AV1 data has. */
export function withAvifSize(avif: Buffer, width: number, height: number): Buffer {
  const copy = Buffer.from(avif);
  const at = copy.indexOf("ispe", 0, "latin1");
  copy.writeUInt32BE(width, at + 8);
  copy.writeUInt32BE(height, at + 12);
  return copy;
}

/** RFC 9649: so many times the same frame of one pixel, on a canvas of 16 x 16. */
export function animatedWebp(frames: number): Buffer {
  // Lossless, with a code for each of its colours that takes no bits.
  const pixel = Buffer.from("2f000000000750b3ce34b3ff8188e87f00", "hex");
  const frame = riffChunk("ANMF", Buffer.concat([Buffer.alloc(16), riffChunk("VP8L", pixel)]));
  const canvas = riffChunk("VP8X", Buffer.from([2, 0, 0, 0, 15, 0, 0, 15, 0, 0]));
  const all = Buffer.alloc(frame.length * frames, frame);
  return riffChunk("RIFF", Buffer.concat([Buffer.from("WEBP", "latin1"), canvas, riffChunk("ANIM", Buffer.alloc(6)), all]));
}

function riffChunk(type: string, data: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type, "latin1"), u32le(data.length), data, Buffer.alloc(data.length % 2)]);
}

/** An AVIF of rows x columns times the same tile; ISO/IEC 23008-12, 6.6.2.3. `claimed`: what the grid says of itself. */
export function avifGrid(
  tile: Buffer,
  { rows, columns, tileSize, claimed }: { rows: number; columns: number; tileSize: [number, number]; claimed: [number, number] },
): Buffer {
  const av1c = boxAt(tile, "av1C");
  const data = boxAt(tile, "mdat").subarray(8);
  const count = rows * columns;
  const grid = Buffer.concat([Buffer.from([0, 1, rows - 1, columns - 1]), u32(claimed[0]), u32(claimed[1])]);
  const itemInfo = (id: number, type: string) => fullBox("infe", 2, 0, u16(id), u16(0), Buffer.from(`${type}\0`, "latin1"));
  const ids = Array.from({ length: count }, (_, index) => index + 2);
  const size = ([width, height]: [number, number]) => fullBox("ispe", 0, 0, u32(width), u32(height));
  const properties = box(
    "iprp",
    box("ipco", av1c, size(tileSize), size(claimed), fullBox("pixi", 0, 0, Buffer.from([3, 8, 8, 8]))),
    fullBox(
      "ipma",
      0,
      0,
      u32(count + 1),
      u16(1),
      Buffer.from([2, 3, 4]),
      ...ids.map((id) => Buffer.concat([u16(id), Buffer.from([3, 0x81, 2, 4])])),
    ),
  );
  const meta = (dataAt: number) =>
    fullBox(
      "meta",
      0,
      0,
      fullBox("hdlr", 0, 0, u32(0), Buffer.from("pict", "latin1"), Buffer.alloc(12), Buffer.from([0])),
      fullBox("pitm", 0, 0, u16(1)),
      fullBox(
        "iloc",
        1,
        0,
        Buffer.from([0x44, 0]),
        u16(count + 1),
        u16(1),
        u16(1),
        u16(0),
        u16(1),
        u32(0),
        u32(grid.length),
        ...ids.map((id) => Buffer.concat([u16(id), u16(0), u16(0), u16(1), u32(dataAt), u32(data.length)])),
      ),
      fullBox("iinf", 0, 0, u16(count + 1), itemInfo(1, "grid"), ...ids.map((id) => itemInfo(id, "av01"))),
      fullBox("iref", 0, 0, box("dimg", u16(1), u16(count), ...ids.map(u16))),
      properties,
      box("idat", grid),
    );
  const type = box("ftyp", Buffer.from("avif\0\0\0\0avifmif1miaf", "latin1"));
  return Buffer.concat([type, meta(type.length + meta(0).length + 8), box("mdat", data)]);
}

/** An AVIF of one tile, `fillerBytes` of nothing, and items beside the picture which each have all of that so many times. */
export function avifOfPieces(
  tile: Buffer,
  { fillerBytes, pieces, exifs = 0 }: { fillerBytes: number; pieces: number; exifs?: number },
): Buffer {
  const data = Buffer.concat([boxAt(tile, "mdat").subarray(8), Buffer.alloc(fillerBytes)]);
  const picture = data.length - fillerBytes;
  const ids = Array.from({ length: exifs }, (_, index) => index + 2);
  const meta = (dataAt: number) => {
    const filler = Array<Buffer>(pieces).fill(Buffer.concat([u32(dataAt + picture), u32(fillerBytes)]));
    const item = (id: number, ...extents: Buffer[]) => Buffer.concat([u16(id), u16(0), u16(0), u16(extents.length), ...extents]);
    // Without other items the picture itself has them all.
    const first = item(1, Buffer.concat([u32(dataAt), u32(picture)]), ...(exifs === 0 ? filler : []));
    const info = (id: number, type: string) => fullBox("infe", 2, 0, u16(id), u16(0), Buffer.from(`${type}\0`, "latin1"));
    return fullBox(
      "meta",
      0,
      0,
      fullBox("hdlr", 0, 0, u32(0), Buffer.from("pict", "latin1"), Buffer.alloc(12), Buffer.from([0])),
      fullBox("pitm", 0, 0, u16(1)),
      fullBox("iloc", 1, 0, Buffer.from([0x44, 0]), u16(1 + exifs), first, ...ids.map((id) => item(id, ...filler))),
      fullBox("iinf", 0, 0, u16(1 + exifs), info(1, "av01"), ...ids.map((id) => info(id, "Exif"))),
      fullBox("iref", 0, 0, ...ids.map((id) => box("cdsc", u16(id), u16(1), u16(1)))),
      box(
        "iprp",
        box("ipco", boxAt(tile, "av1C"), boxAt(tile, "ispe"), fullBox("pixi", 0, 0, Buffer.from([3, 8, 8, 8]))),
        fullBox("ipma", 0, 0, u32(1), u16(1), Buffer.from([3, 0x81, 2, 3])),
      ),
    );
  };
  const type = box("ftyp", Buffer.from("avif\0\0\0\0avifmif1miaf", "latin1"));
  return Buffer.concat([type, meta(type.length + meta(0).length + 8), box("mdat", data)]);
}

function box(type: string, ...content: Buffer[]): Buffer {
  const data = Buffer.concat(content);
  return Buffer.concat([u32(8 + data.length), Buffer.from(type, "latin1"), data]);
}

function fullBox(type: string, version: number, flags: number, ...content: Buffer[]): Buffer {
  return box(type, u32(version * 2 ** 24 + flags), ...content);
}

function boxAt(file: Buffer, type: string): Buffer {
  const at = file.indexOf(type, 0, "latin1") - 4;
  return file.subarray(at, at + file.readUInt32BE(at));
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}

function u16le(value: number): Buffer {
  return Buffer.from([value & 255, value >> 8]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u32le(value: number): Buffer {
  return u32(value).swap32();
}
