import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isFileName, outputFileName, slugOf } from "../../src/domain/file-name.ts";
import { createSlugs } from "../../src/intake/slugs.ts";

type Row = { serial: string; urls: number };

/** The names of all outputs of a file with these rows, as they are on disk. */
function namesOf(rows: readonly Row[]): string[] {
  const slugFor = createSlugs();
  return rows.flatMap(({ serial, urls }, index) => {
    const { slug, firstNumber } = slugFor({ serial, line: index + 2, urls: Array.from({ length: urls }) });
    return Array.from({ length: urls }, (_, position) => outputFileName(`${slug}-${firstNumber + position}`, "main", "jpg"));
  });
}

describe("output names", () => {
  test("are safe on every file system and in every URL, whatever the serial", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 1, max: 1_000 }), (serial, number) => {
        const name = outputFileName(`${slugOf(serial)}-${number}`, "main", "jpg");
        assert.match(name, /^[A-Za-z0-9_][A-Za-z0-9_-]*-\d+\.jpg$/);
        assert.ok(name.length <= 80);
        assert.ok(isFileName(name));
        assert.equal(outputFileName(`${slugOf(serial)}-${number}`, "thumb", "webp"), name.replace(/\.jpg$/, "-thumb.webp"));
      }),
    );
  });

  test("are the product's own id and a number, made readable", () => {
    assert.deepEqual(["SKU-1", "Tür 7/b", "ﬁne", "../../etc", "---", "語", ""].map(slugOf), [
      "SKU-1",
      "Tur-7-b",
      "fine",
      "etc",
      "image",
      "image",
      "image",
    ]);
  });

  test("are told from what would lead elsewhere or hide", () => {
    for (const name of ["../x.jpg", "a/b.jpg", "a\\b.jpg", "..", ".hidden", "a..b", "", "x\0.jpg", "x.jpg\n", "-x.jpg", "x".repeat(122)])
      assert.equal(isFileName(name), false, name);
  });

  test("are short, however long the id", () => {
    assert.equal(slugOf("x".repeat(100_000)), "x".repeat(60));
    assert.equal(slugOf(`${"-".repeat(499)}x${"y".repeat(60)}`), "x");
  });

  test("go on counting through the rows of one product, those without an image too", () => {
    assert.deepEqual(
      namesOf([
        { serial: "shirt", urls: 2 },
        { serial: "shirt", urls: 0 },
        { serial: "shirt", urls: 1 },
        { serial: "hat", urls: 1 },
      ]),
      ["shirt-1.jpg", "shirt-2.jpg", "shirt-3.jpg", "hat-1.jpg"],
    );
  });

  test("have the line behind the id where it comes again elsewhere, or differs only in what is made safe", () => {
    assert.deepEqual(namesOf(["shirt", "hat", "shirt", "Hat!", "hat", "hat"].map((serial) => ({ serial, urls: 1 }))), [
      "shirt-1.jpg",
      "hat-1.jpg",
      "shirt.4-1.jpg",
      "Hat.5-1.jpg",
      "hat.6-1.jpg",
      "hat.6-2.jpg",
    ]);
  });

  test("are unique within a batch, also where the file system does not know upper case", () => {
    const serial = fc.string({ unit: fc.constantFrom("a", "A", ".", "-", "1", "2", "ä", " "), maxLength: 4 });
    fc.assert(
      fc.property(fc.array(fc.record({ serial, urls: fc.integer({ min: 0, max: 3 }) }), { minLength: 2, maxLength: 3_000 }), (rows) => {
        const names = namesOf(rows).map((name) => name.toLowerCase());
        assert.equal(new Set(names).size, names.length);
      }),
      { numRuns: 50 },
    );
  });
});
