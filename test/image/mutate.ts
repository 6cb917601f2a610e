import { crc32, deflateSync, inflateSync } from "node:zlib";

/** What breaks files on their way and what people try on decoders, from a seed: the same seed gives the same mutants. */
export type Mutant = { seed: number; bytes: Buffer; how: string };

type Random = (below: number) => number;
type Mutation = (file: Buffer, random: Random, others: readonly Buffer[]) => Buffer;

/** `others`: files of other formats, for splices. */
export function mutate(file: Buffer, others: readonly Buffer[], seed: number): Mutant {
  const random = createRandom(seed);
  const names = Object.keys(MUTATIONS);
  const how: string[] = [];
  // What is packed hides behind two sums: some of a PNG's mutants are made of its rows, and packed again.
  const isUnpacked = isPng(file) && random(2) === 0;
  let bytes = isUnpacked ? unpackRows(file) : Buffer.from(file);
  // Most have one fault, some several.
  for (let faults = 1 + Math.floor(random(8) / 5) * (1 + random(3)); faults > 0; faults -= 1) {
    const name = names[random(names.length)] ?? "";
    how.push(name);
    bytes = Buffer.from(MUTATIONS[name]?.(bytes, random, others) ?? bytes);
  }
  if (isUnpacked) return { seed, bytes: packRows(file, bytes), how: `within the rows: ${how.join(", ")}` };
  return random(4) > 0 && isPng(bytes)
    ? { seed, bytes: sumAnew(bytes), how: [...how, "sum anew"].join(", ") }
    : { seed, bytes, how: how.join(", ") };
}

function isPng(file: Buffer): boolean {
  return file.toString("latin1", 1, 4) === "PNG";
}

/** The sample has one IDAT. */
function rowsOf(file: Buffer): [from: number, to: number] {
  const at = file.indexOf("IDAT", 0, "latin1") + 4;
  return [at, at + file.readUInt32BE(at - 8)];
}

function unpackRows(file: Buffer): Buffer {
  return inflateSync(file.subarray(...rowsOf(file)));
}

function packRows(file: Buffer, rows: Buffer): Buffer {
  const [from, to] = rowsOf(file);
  const packed = deflateSync(rows);
  const bytes = Buffer.concat([file.subarray(0, from), packed, file.subarray(to)]);
  bytes.writeUInt32BE(packed.length, from - 8);
  return sumAnew(bytes);
}

function sumAnew(file: Buffer): Buffer {
  const copy = Buffer.from(file);
  for (let at = 8; at + 12 <= copy.length;) {
    const end = at + 8 + copy.readUInt32BE(at);
    if (end + 4 > copy.length) break;
    copy.writeUInt32BE(crc32(copy.subarray(at + 4, end)), end);
    at = end + 4;
  }
  return copy;
}

/** Values that lengths, offsets and counts go wrong at. */
const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff];

const MUTATIONS: Record<string, Mutation> = {
  "flip bits": (file, random) => {
    const copy = Buffer.from(file);
    for (let flips = 1 + random(8); flips > 0 && copy.length > 0; flips -= 1) {
      const at = random(copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << random(8));
    }
    return copy;
  },
  "flip bits of the header": (file, random) => {
    const copy = Buffer.from(file);
    for (let flips = 1 + random(3); flips > 0 && copy.length > 0; flips -= 1) {
      const at = random(Math.min(400, copy.length));
      copy[at] = (copy[at] ?? 0) ^ (1 << random(8));
    }
    return copy;
  },
  truncate: (file, random) => file.subarray(0, random(file.length + 1)),
  "write an extreme number": (file, random) => {
    const copy = Buffer.from(file);
    if (copy.length < 8) return copy;
    const at = random(random(2) === 0 ? copy.length - 4 : Math.min(400, copy.length - 4));
    const value = EXTREMES[random(EXTREMES.length)] ?? 0;
    const number = Buffer.alloc(value <= 0xffff && random(2) === 0 ? 2 : 4);
    number.writeUIntBE(value, 0, number.length);
    copy.set(random(2) === 0 ? number : number.toReversed(), at);
    return copy;
  },
  "swap two pieces": (file, random) => {
    const [a = 0, b = 0, c = 0] = [random(file.length + 1), random(file.length + 1), random(file.length + 1)].toSorted((x, y) => x - y);
    return Buffer.concat([file.subarray(0, a), file.subarray(b, c), file.subarray(a, b), file.subarray(c)]);
  },
  "repeat a piece": (file, random) => {
    const at = random(file.length + 1);
    const piece = file.subarray(at, at + 1 + random(200));
    return Buffer.concat([file.subarray(0, at), ...Array<Buffer>(1 + random(20)).fill(piece), file.subarray(at)]);
  },
  "leave out a piece": (file, random) => {
    const at = random(file.length + 1);
    return Buffer.concat([file.subarray(0, at), file.subarray(at + 1 + random(64))]);
  },
  "splice in another format": (file, random, others) => {
    const other = others[random(others.length)] ?? file;
    const [at, from] = [random(file.length + 1), random(other.length + 1)];
    return Buffer.concat([file.subarray(0, at), other.subarray(from)]);
  },
  "fill with noise": (file, random) => {
    const copy = Buffer.from(file);
    const at = random(copy.length + 1);
    for (let index = at; index < Math.min(copy.length, at + 40); index += 1) copy[index] = random(256);
    return copy;
  },
};

/** Mulberry32: small, and the same everywhere. */
function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
