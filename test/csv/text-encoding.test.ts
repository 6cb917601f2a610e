import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createDecoding, encodeText } from "../../src/csv/text-encoding.ts";
import { ENCODINGS, type Encoding } from "../../src/domain/batch/catalogue-facts.ts";

/** https://encoding.spec.whatwg.org/index-windows-1252.txt, from 0x80 to 0x9F. */
const UPPER_CONTROLS = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008DŽ\u008F\u0090‘’“”•–—˜™š›œ\u009DžŸ";

function decode(bytes: Buffer, encoding: Encoding, size = Math.max(1, bytes.length)): string {
  const decoding = createDecoding(encoding);
  let text = "";
  for (let at = 0; at < bytes.length; at += size) text += decoding.write(bytes.subarray(at, at + size));
  return text + decoding.end();
}

describe("an encoding", () => {
  test("gives back every text as the same bytes, however they are cut, the byte order mark too", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }).map((text) => text.toWellFormed()),
        fc.constantFrom(...ENCODINGS.slice(0, 3)),
        fc.integer({ min: 1, max: 5 }),
        (text, encoding, size) => {
          const bytes = encodeText(`\uFEFF${text}`, encoding);
          assert.equal(decode(bytes, encoding, size), `\uFEFF${text}`);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("that is Windows-1252 has a character for all 256 bytes, and the same byte for it", () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const text = decode(bytes, "windows-1252", 7);
    assert.equal(text.slice(0x80, 0xa0), UPPER_CONTROLS);
    assert.equal(text.slice(0, 0x80) + text.slice(0xa0), bytes.toString("latin1").slice(0, 0x80) + bytes.toString("latin1").slice(0xa0));
    assert.deepEqual(encodeText(text, "windows-1252"), bytes);
    for (const [byte, character] of Array.from(text).entries())
      assert.deepEqual(encodeText(character, "windows-1252"), Buffer.from([byte]));
  });

  test("that is Windows-1252 has a question mark for what it has no byte for", () => {
    assert.deepEqual(encodeText("é語😀€\u0080", "windows-1252"), Buffer.from("\xe9??\x80?", "latin1"));
  });
});
