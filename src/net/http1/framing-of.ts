import { createChunkReader } from "./chunks.ts";
import type { Framing } from "./framing.ts";
import type { Head } from "./head.ts";
import { ProtocolError } from "./protocol-error.ts";

const NO_BODY: ReadonlySet<number> = new Set([101, 204, 304]);
const DIGITS = /^\d+$/;

/** RFC 9112 §6.3 for the answer to a GET. Throws ProtocolError for what could be read in two ways. */
export function framingOf({ status, headers }: Head): Framing {
  const { "transfer-encoding": encoding, "content-length": length } = headers;
  if (encoding !== undefined && length !== undefined) throw new ProtocolError("there is a Content-Length beside a Transfer-Encoding");
  if (length !== undefined && !(DIGITS.test(length) && Number.isSafeInteger(Number(length))))
    throw new ProtocolError("the Content-Length is no number");
  if (encoding !== undefined && encoding.toLowerCase() !== "chunked")
    throw new ProtocolError("the Transfer-Encoding is not `chunked`, alone");
  if (NO_BODY.has(status)) return ofLength(0);
  if (encoding !== undefined) return createChunkReader();
  return length === undefined ? UNTIL_CLOSE : ofLength(Number(length));
}

const UNTIL_CLOSE: Framing = {
  isWholeAtEnd: true,
  push(bytes, take) {
    if (bytes.length > 0) take(bytes);
    return null;
  },
};

function ofLength(length: number): Framing {
  let left = length;
  return {
    isWholeAtEnd: false,
    push(bytes, take) {
      const count = Math.min(left, bytes.length);
      if (count > 0) take(count === bytes.length ? bytes : bytes.subarray(0, count));
      left -= count;
      return left === 0 ? count : null;
    },
  };
}
