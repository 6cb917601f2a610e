import type { Encoding } from "../domain/batch/catalogue-facts.ts";

type TextDecoding = { write(chunk: Buffer): string; end(): string };

/** Decodes chunk by chunk; a character that two chunks share comes with the second. The byte order mark is not removed. */
export function createDecoding(encoding: Encoding): TextDecoding {
  const decoder = new TextDecoder(encoding, { ignoreBOM: true });
  return { write: (chunk) => decoder.decode(chunk, { stream: true }), end: () => decoder.decode() };
}

/** Encodes what was decoded to the same bytes. What Windows-1252 has no byte for becomes a question mark. */
export function encodeText(text: string, encoding: Encoding): Buffer {
  switch (encoding) {
    case "utf-8":
      return Buffer.from(text, "utf8");
    case "utf-16le":
      return Buffer.from(text, "utf16le");
    case "utf-16be":
      return Buffer.from(text, "utf16le").swap16();
    case "windows-1252":
      if (LATIN_1.test(text)) return Buffer.from(text, "latin1");
      return Buffer.from(Array.from(text, (character) => WINDOWS_1252.get(character) ?? QUESTION_MARK));
    default:
      return encoding satisfies never;
  }
}

/** Text of characters whose bytes are the same in Latin-1 and Windows-1252: most text is. */
const LATIN_1 = /^[\u0000-\u007F\u00A0-\u00FF]*$/;
const QUESTION_MARK = 0x3f;
const BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
/** By https://encoding.spec.whatwg.org/#legacy-single-byte-encodings, which reads the five free bytes as control characters. */
const WINDOWS_1252 = new Map(Array.from(new TextDecoder("windows-1252").decode(BYTES), (character, byte) => [character, byte]));
/** The bytes that stand for no character in Windows-1252, so that no text written in it holds them. */
export const WINDOWS_1252_FREE = [0x81, 0x8d, 0x8f, 0x90, 0x9d];
