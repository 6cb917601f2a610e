import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { unpack } from "../../src/csv/unpack.ts";

const TEXT = Buffer.from("image\nhttps://shop.test/a.jpg\n".repeat(10_000));

describe("unpacking", () => {
  for (const [name, bytes] of Object.entries({ "a plain file": TEXT, "a gzipped file": gzipSync(TEXT, { level: 0 }) })) {
    test(`${name} closes its source when its reader stops, at the first piece or later`, async () => {
      for (const piecesWanted of [1, 3]) {
        let isClosed = false;
        const source = (async function* () {
          try {
            for (let at = 0; at < bytes.length; at += 8_192) yield bytes.subarray(at, at + 8_192);
          } finally {
            isClosed = true;
          }
        })();
        let pieces = 0;
        for await (const piece of unpack(source, { bytesMax: Infinity })) if (piece.length > 0 && ++pieces === piecesWanted) break;
        assert.deepEqual([pieces, isClosed], [piecesWanted, true]);
      }
    });
  }
});
