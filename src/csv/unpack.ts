import { PassThrough, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { HEAD_BYTES } from "./other-types.ts";
import type { TextFault } from "./sniff-text.ts";

/** Thrown while reading on; its fault says why nothing more can be read. */
export class UnpackError extends Error {
  readonly fault: TextFault;
  constructor(fault: TextFault) {
    super(fault.message);
    this.fault = fault;
  }
}

/** Deflate gives up to 1,032 for 1; a CSV of repeated rows some 100. What unpacks to more than this was made to. */
const RATIO_MAX = 200;
/** Below this nobody is harmed, and short files can be oddly regular. */
const RATIO_FROM_BYTES = 8 * 1024 * 1024;

/** Whether a file begins as RFC 1952 has it. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/** The file as it is, or what it unpacks to where it is gzipped; the first piece is long enough to tell what it is. */
export async function* unpack(source: AsyncIterable<Buffer>, options: { bytesMax: number }): AsyncGenerator<Buffer> {
  const pieces = joinHead(source);
  try {
    const first = await pieces.next();
    if (first.done) return;
    const whole = async function* () {
      yield first.value;
      yield* pieces;
    };
    yield* isGzip(first.value) ? joinHead(gunzip(whole(), options.bytesMax)) : whole();
  } finally {
    await pieces.return(undefined);
  }
}

/** A socket may bring a byte at a time, and neither a byte order mark nor a file's type shows in one. */
async function* joinHead(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, undefined> {
  let head: Buffer | null = Buffer.alloc(0);
  for await (const piece of source) {
    if (head === null) {
      yield piece;
      continue;
    }
    head = Buffer.concat([head, piece]);
    if (head.length < HEAD_BYTES) continue;
    yield head;
    head = null;
  }
  if (head !== null && head.length > 0) yield head;
}

async function* gunzip(source: AsyncIterable<Buffer>, bytesMax: number): AsyncGenerator<Buffer> {
  let packed = 0;
  let unpacked = 0;
  const counted = async function* () {
    for await (const chunk of source) {
      packed += chunk.length;
      yield chunk;
    }
  };
  const output = new PassThrough();
  const packedStream = Readable.from(counted());
  const inflate = createGunzip({ chunkSize: 64 * 1024 });
  for (const stream of [packedStream, inflate]) stream.on("error", (error) => output.destroy(error));
  packedStream.pipe(inflate).pipe(output);
  try {
    for await (const chunk of output as AsyncIterable<Buffer>) {
      unpacked += chunk.length;
      if (unpacked > bytesMax || (unpacked > RATIO_FROM_BYTES && unpacked > RATIO_MAX * packed)) {
        throw new UnpackError({
          line: 1,
          code: "unpacked_too_large",
          message: `Expected a gzipped CSV of at most ${bytesMax} bytes that unpacks to no more than ${RATIO_MAX} times its size; unpack it and upload the CSV, in parts if need be.`,
        });
      }
      yield chunk;
    }
  } catch (error) {
    if (error instanceof Error && "code" in error && String(error.code).startsWith("Z_")) {
      throw new UnpackError({
        line: 1,
        code: "damaged_gzip",
        message: "Expected a whole gzip file, got one that is cut off or damaged; pack it again and upload that.",
      });
    }
    throw error;
  } finally {
    packedStream.destroy();
    inflate.destroy();
  }
}
