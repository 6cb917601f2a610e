import type { Framing, Take } from "./framing.ts";
import { TOKEN } from "./grammar.ts";
import { HEAD_BYTES_MAX, parseHeader } from "./head.ts";
import { ProtocolError } from "./protocol-error.ts";

const CR = 13;
const LF = 10;
/** 2^52 bytes, far above any limit of ours and below where numbers lose digits. */
const SIZE_DIGITS_MAX = 13;
/**
 * A chunk takes 1.5 µs to read whatever it holds, eleven thousand of a byte each come with one read, and all connections share a
 * thread. So many small ones are put up with, and beyond them as many as hold 64 bytes on average; those of images hold kilobytes.
 */
const SMALL_CHUNKS_MAX = 5_000;
const CHUNK_BYTES_MIN = 64;
/** How a line has to begin, told at once and not when it ends. */
const BEGINNINGS = { line: /^[\dA-Fa-f]/, data: /^/, after: /^\r?$/, trailer: /^/ };
const EXTENSION = `[\\t ]*;[\\t ]*${TOKEN}(?:[\\t ]*=[\\t ]*(?:${TOKEN}|"(?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"))?`;
/** Some servers pad a size with blanks. */
const SIZE_LINE = new RegExp(`^([\\dA-Fa-f]+)(?:${EXTENSION})*[\\t ]*$`);

/**
 * Reads a chunked body (RFC 9112 §7.1): lines that say how long a chunk is, chunks, and trailers, which nobody asks for.
 * Everything but the chunks is held to the size of a head, so that a body of nothing but extensions ends as well.
 */
export function createChunkReader(): Framing {
  /** `line` before a chunk, `data` in it, `after` the line end behind it, `trailer` behind the last. */
  let state: "line" | "data" | "after" | "trailer" = "line";
  let line = "";
  let left = 0;
  let overhead = 0;
  const count = createChunkCount();

  /** The line that ends in these bytes, and where the next begins; null while it goes on. */
  const readLine = (bytes: Buffer, from: number): { text: string; next: number } | null => {
    const end = bytes.indexOf(LF, from);
    const part = bytes.toString("latin1", from, end === -1 ? bytes.length : end);
    overhead += part.length;
    if (overhead > HEAD_BYTES_MAX) throw new ProtocolError(`there are more than ${HEAD_BYTES_MAX} bytes beside the chunks`);
    line += part;
    if (!BEGINNINGS[state].test(line))
      throw new ProtocolError(state === "after" ? "a chunk is longer than it was said to be" : "a chunk does not begin with its size");
    if (end === -1) return null;
    if (line.charCodeAt(line.length - 1) !== CR) throw new ProtocolError("a line between chunks does not end in CR LF");
    const text = line.slice(0, -1);
    line = "";
    return { text, next: end + 1 };
  };

  const onLine = (text: string): boolean => {
    if (state === "trailer") {
      if (text !== "") parseHeader(text);
      return text === "";
    }
    if (state === "after") {
      // Two bytes behind each chunk are no overhead, or long bodies in small chunks would not come through.
      overhead -= 1;
      state = "line";
      return false;
    }
    left = parseSize(text);
    count(left);
    overhead -= text.includes(";") ? 0 : text.length + 1;
    state = left === 0 ? "trailer" : "data";
    return false;
  };

  return {
    isWholeAtEnd: false,
    push(bytes: Buffer, take: Take) {
      for (let at = 0; at < bytes.length;) {
        if (state === "data") {
          const end = Math.min(bytes.length, at + left);
          take(bytes.subarray(at, end));
          left -= end - at;
          at = end;
          if (left === 0) state = "after";
          continue;
        }
        const read = readLine(bytes, at);
        if (read === null) return null;
        at = read.next;
        if (onLine(read.text)) return at;
      }
      return null;
    },
  };
}

/** Is told the size of each chunk. */
function createChunkCount(): (bytes: number) => void {
  let chunks = 0;
  let all = 0;
  return (bytes) => {
    chunks += 1;
    all += bytes;
    if (chunks > SMALL_CHUNKS_MAX + all / CHUNK_BYTES_MIN)
      throw new ProtocolError(`its chunks hold less than ${CHUNK_BYTES_MIN} bytes on average`);
  };
}

function parseSize(text: string): number {
  const [, digits] = SIZE_LINE.exec(text) ?? [];
  if (digits === undefined || digits.length > SIZE_DIGITS_MAX) throw new ProtocolError("a chunk does not begin with its size");
  return Number.parseInt(digits, 16);
}
