import { PassThrough, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { errorCode } from "../domain/error-code.ts";
import { HEAD_BYTES } from "./other-types.ts";
import type { TextFault } from "./sniff-text.ts";

/** Thrown in the middle of reading; its fault says why nothing more can be read. */
export class UnpackError extends Error {
  readonly fault: TextFault;
  constructor(fault: TextFault) {
    super(fault.message);
    this.fault = fault;
  }
}

/** One byte of deflate unpacks to 1,032 at most, in a CSV of repeated rows to some 100. A file beyond this was made to do harm. */
const RATIO_MAX = 200;
/** So much unpacked harms nobody, and a short file can be oddly regular. */
const RATIO_FROM_BYTES = 8 * 1024 * 1024;

/** Whether a file begins as RFC 1952 has it. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/** The file as it is, or what it unpacks to where it is gzipped; the first piece is long enough to tell the file's type by. */
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

/** Joins the first pieces to one of HEAD_BYTES or more: they may be single bytes, which show neither byte order mark nor file type. */
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
    if (errorCode(error).startsWith("Z_")) {
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
