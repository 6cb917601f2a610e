import { isAscii, isUtf8 } from "node:buffer";
import type { Encoding, TextFacts } from "../domain/batch/catalogue-facts.ts";
import type { CsvProblemCode } from "../domain/batch/csv-problem.ts";
import { findOtherType } from "./other-types.ts";
import { countLineBreaks } from "./scan-record.ts";
import { WINDOWS_1252_FREE } from "./text-encoding.ts";

export type TextFault = { line: number; code: CsvProblemCode; message: string };

const [LF, CR] = [0x0a, 0x0d];

const BOMS: { bytes: number[]; encoding: Encoding }[] = [
  { bytes: [0xef, 0xbb, 0xbf], encoding: "utf-8" },
  { bytes: [0xff, 0xfe], encoding: "utf-16le" },
  { bytes: [0xfe, 0xff], encoding: "utf-16be" },
];

/**
 * Reads the whole file once, faster than it can be parsed, to find its encoding, which cannot be told from the beginning
 * alone: the first umlaut may stand in the last line. The first piece must be as long as unpack() makes it.
 */
export async function sniffText(source: AsyncIterable<Buffer>): Promise<Verdict> {
  let check: Check | undefined;
  for await (const chunk of source) {
    if (chunk.length === 0) continue;
    if (!check) {
      const other = findOtherType(chunk);
      if (other)
        return {
          ok: false,
          fault: { line: 1, code: "wrong_file_type", message: `Expected a CSV file, got ${other.what}; ${other.wayOut}.` },
        };
      check = startCheck(chunk);
    }
    const fault = check.push(chunk);
    if (fault) return { ok: false, fault };
  }
  if (!check)
    return { ok: false, fault: { line: 1, code: "empty_file", message: "Expected a header line and products, got an empty file." } };
  return check.end();
}

type Verdict = ({ ok: true } & TextFacts) | { ok: false; fault: TextFault };
type Check = { push(chunk: Buffer): TextFault | null; end(): Verdict };

function startCheck(head: Buffer): Check {
  const bom = BOMS.find(({ bytes }) => bytes.every((byte, index) => head[index] === byte));
  if (bom?.encoding === "utf-16le" || bom?.encoding === "utf-16be") return checkUtf16(bom.encoding);
  return checkBytes(bom !== undefined);
}

function checkUtf16(encoding: "utf-16le" | "utf-16be"): Check {
  let line = 1;
  let oddByte: Buffer = Buffer.alloc(0);
  let half = "";
  // Not with a TextDecoder, which replaces half characters, so that they could not be found.
  const look = (chunk: Buffer, isLast: boolean): TextFault | null => {
    const bytes = Buffer.concat([oddByte, chunk]);
    oddByte = isLast ? Buffer.alloc(0) : bytes.subarray(bytes.length - (bytes.length % 2));
    const even = bytes.subarray(0, bytes.length - (bytes.length % 2));
    const text = half + (encoding === "utf-16be" ? even.swap16() : even).toString("utf16le");
    // Half a character, or half a line break.
    half = !isLast && /[\uD800-\uDBFF\r]$/.test(text) ? text.slice(-1) : "";
    const whole = text.slice(0, text.length - half.length);
    if (isText(whole) && !(isLast && bytes.length % 2 === 1)) {
      line += countLineBreaks(whole, 0, whole.length);
      return null;
    }
    const lines = whole.split(/\r\n|\n|\r/);
    const bad = lines.findIndex((part) => !isText(part));
    const at = line + (bad === -1 ? lines.length - 1 : bad);
    return {
      line: at,
      code: "invalid_utf16",
      message: `Expected UTF-16 as the byte order mark says, got something else in line ${at}; save the file as “CSV UTF-8” and upload that.`,
    };
  };
  return {
    push: (chunk) => look(chunk, false),
    end() {
      const fault = look(Buffer.alloc(0), true);
      return fault ? { ok: false, fault } : { ok: true, encoding, hasBom: true };
    },
  };
}

function isText(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** Of a UTF-8 character, which has four bytes at most, a chunk can end with three. */
const TAIL_BYTES_MAX = 3;

/** UTF-8 where all of the file is; else Windows-1252, unless it looks like UTF-8 that was damaged. */
function checkBytes(hasBom: boolean): Check {
  let line = 1;
  let tail: Buffer = Buffer.alloc(0);
  const seen = { characters: 0, strays: 0, free: 0, badLine: 0 };
  const push = (chunk: Buffer, isLast: boolean): TextFault | null => {
    const bytes = tail.length === 0 ? chunk : Buffer.concat([tail, chunk]);
    const nul = bytes.indexOf(0);
    if (nul !== -1) {
      const at = line + countLines(bytes.subarray(0, nul));
      return {
        line: at,
        code: "not_csv",
        message: `Expected text, got a NUL byte in line ${at}; save the file as “CSV UTF-8” and upload that.`,
      };
    }
    tail = isLast ? Buffer.alloc(0) : unfinished(bytes);
    const whole = bytes.subarray(0, bytes.length - tail.length);
    if (isUtf8(whole)) {
      if (!isAscii(whole)) seen.characters += countCharacters(whole);
    } else weigh(whole, line, seen);
    line += countLines(whole);
    return null;
  };
  return {
    push: (chunk) => push(chunk, false),
    end() {
      push(Buffer.alloc(0), true);
      if (seen.badLine === 0) return { ok: true, encoding: "utf-8", hasBom };
      const isDamaged = hasBom || seen.free > 0 || seen.characters > seen.strays;
      if (!isDamaged) return { ok: true, encoding: "windows-1252", hasBom: false };
      return {
        ok: false,
        fault: {
          line: seen.badLine,
          code: "invalid_utf8",
          message: `Expected UTF-8, got bytes in line ${seen.badLine} that are not; save the file as “CSV UTF-8” and upload that.`,
        },
      };
    },
  };
}

/**
 * Counts what speaks for damaged UTF-8 (whole characters, and as `free` surrogates and bytes that Windows-1252 leaves free), and what
 * speaks for Windows-1252 (stray bytes).
 */
function weigh(bytes: Buffer, firstLine: number, seen: { characters: number; strays: number; free: number; badLine: number }): void {
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at] ?? 0;
    const length =
      byte < 0x80 ? 1 : byte >= 0xc2 && byte < 0xe0 ? 2 : byte >= 0xe0 && byte < 0xf0 ? 3 : byte >= 0xf0 && byte < 0xf5 ? 4 : 0;
    if (length === 1) at += 1;
    else if (length > 1 && isUtf8(bytes.subarray(at, at + length)) && at + length <= bytes.length) {
      seen.characters += 1;
      at += length;
    } else {
      if (seen.badLine === 0) seen.badLine = firstLine + countLines(bytes.subarray(0, at));
      const isSurrogate = byte === 0xed && (bytes[at + 1] ?? 0) >= 0xa0 && (bytes[at + 1] ?? 0) < 0xc0;
      if (isSurrogate || WINDOWS_1252_FREE.includes(byte)) seen.free += 1;
      seen.strays += 1;
      at += 1;
    }
  }
}

/** Counts the characters of valid UTF-8 beyond ASCII, each of which has one leading byte. */
function countCharacters(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at += 1) if ((bytes[at] ?? 0) >= 0xc0) count += 1;
  return count;
}

/** The bytes at the end that may be the beginning of a character, or of a line break. */
function unfinished(bytes: Buffer): Buffer {
  if (bytes.at(-1) === CR) return bytes.subarray(-1);
  for (let back = 1; back <= Math.min(TAIL_BYTES_MAX, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte >= 0xc0) {
      const length = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
      return back < length ? bytes.subarray(bytes.length - back) : Buffer.alloc(0);
    }
    if (byte < 0x80) break;
  }
  return Buffer.alloc(0);
}

/** LF, CRLF and CR count one each. */
function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = findByte(LF, bytes, 0); at !== -1; at = findByte(LF, bytes, at + 1)) count += 1;
  for (let at = findByte(CR, bytes, 0); at !== -1; at = findByte(CR, bytes, at + 1)) if (bytes[at + 1] !== LF) count += 1;
  return count;
}

/** So many bytes are looked at one by one before the rest is searched: to start a search costs fifty times as much as a look. */
const LOOKED_AT = 8;

function findByte(byte: number, bytes: Buffer, from: number): number {
  const end = Math.min(from + LOOKED_AT, bytes.length);
  for (let at = from; at < end; at += 1) if (bytes[at] === byte) return at;
  return bytes.indexOf(byte, end);
}
