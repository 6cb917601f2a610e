import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { outputFileName, slugOf } from "../../src/domain/file-name.ts";
import { createSlugs } from "../../src/intake/slugs.ts";

describe("output names", () => {
  test("are safe on every file system and in every URL, whatever the serial", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 1, max: 1_000 }), (serial, position) => {
      const name = outputFileName(slugOf(serial), position, "jpg");
      assert.match(name, /^[A-Za-z0-9_][A-Za-z0-9_-]*-\d+\.jpg$/);
      assert.ok(name.length <= 80);
    }));
  });

  test("are unique within a batch, also where serials repeat or differ only in what is made safe", () => {
    fc.assert(fc.property(fc.array(fc.string({ unit: fc.constantFrom("a", "A", ".", "-", "1", "ä", " "), maxLength: 3 }), { minLength: 2, maxLength: 3_000 }), (serials) => {
      const slugFor = createSlugs();
      const slugs = serials.map((serial, index) => slugFor(serial, index + 2).toLowerCase());
      assert.equal(new Set(slugs).size, slugs.length);
    }), { numRuns: 30 });
  });
});
