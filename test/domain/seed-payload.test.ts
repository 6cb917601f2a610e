import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { ProductResult } from "../../src/domain/batch/product-result.ts";
import { PRESETS } from "../../src/domain/image/recipe.ts";
import {
  SEED_BODY_BYTES_MAX,
  SEED_PRODUCTS_MAX,
  writeSeedPayload,
  type SeedBatch,
  type SeedPayload,
} from "../../src/domain/batch/seed-payload.ts";
import { readCursor } from "../../src/domain/batch/cursor.ts";

const BASE = "https://img.shop.example";
const BATCH: SeedBatch = {
  batchId: "019abc12-3456-7def-8123-456789abcdef",
  token: "q3Jb0m8YcT6nXo4Zr1sWvA",
  status: "completed",
  recipe: PRESETS.seed,
  products: 0,
  imagesTotal: 0,
  imagesDone: 0,
  imagesFailed: 0,
  imagesSkipped: 0,
};

const product = (line: number, name: string, images: number): ProductResult => ({
  line,
  serial: String(line),
  name,
  urls: Array.from({ length: images }, (_, index) => `https://shop.example/${line}/${index}.jpg`),
  images: Array.from({ length: images }, (_, index) => ({
    fetchedUrl: null,
    urlRules: [],
    error: index % 2 === 0 ? null : { code: "not_found" as const, message: "The server answered with status 404." },
    outputs:
      index % 2 === 0
        ? [
            {
              name: "main",
              fileName: `${line}-${index + 1}.jpg`,
              format: "jpeg",
              width: 1,
              height: 1,
              bytes: 1,
              quality: 50,
              isKept: false,
              encodeMs: 1,
            },
          ]
        : [],
  })),
});
const write = (products: ProductResult[], more: Partial<SeedBatch> = {}) => {
  const text = writeSeedPayload({ ...BATCH, products: products.length, ...more }, products, BASE);
  return { bytes: Buffer.byteLength(text), payload: JSON.parse(text) as SeedPayload };
};

describe("the seed's webhook", () => {
  test("holds whole products from the first on, as many as fit, and says where the rest is", () => {
    const products = fc.array(fc.tuple(fc.string({ unit: "grapheme", maxLength: 3_000 }), fc.integer({ min: 0, max: 30 })), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(products, (made) => {
        const all = made.map(([name, images], index) => product(index + 2, name, images));
        const { bytes, payload } = write(all);
        assert.ok(bytes <= SEED_BODY_BYTES_MAX, `${bytes}`);
        const shown = payload.products.length;
        assert.ok(shown <= SEED_PRODUCTS_MAX);
        assert.deepEqual(
          payload.products.map(({ serialNumber }) => serialNumber),
          all.slice(0, shown).map(({ serial }) => serial),
        );
        assert.deepEqual([payload.productsTotal, payload.isTruncated], [all.length, shown < all.length]);
        if (payload.nextUrl === null) return assert.equal(shown, all.length);
        assert.equal(Number(readCursor("line", new URL(payload.nextUrl).searchParams.get("cursor") ?? "")), all[shown - 1]?.line ?? 0);
        // One more would have been too many, in number or in bytes.
        const { bytes: whole } = write(all.slice(0, shown + 1), { products: all.length });
        if (shown < SEED_PRODUCTS_MAX)
          assert.ok(whole <= SEED_BODY_BYTES_MAX && write(all.slice(0, shown + 1)).payload.products.length === shown);
      }),
      { numRuns: 30 },
    );
  });

  test("is as small as a receiver of the seed's time takes: express.json() stops at 102,400 bytes", () => {
    const usual = Array.from({ length: 1_000 }, (_, index) => product(index + 2, "A mug with a handle", 1));
    assert.deepEqual([write(usual).payload.products.length, write(usual).bytes < 70_000], [SEED_PRODUCTS_MAX, true]);
    const rich = Array.from({ length: 200 }, (_, index) => product(index + 2, "A mug with a handle", 9));
    const { bytes, payload } = write(rich);
    assert.ok(bytes > SEED_BODY_BYTES_MAX - 2_000 && bytes <= SEED_BODY_BYTES_MAX, `${bytes}`);
    assert.ok(payload.isTruncated && payload.products.length > 50);
  });

  test("holds no product where the first alone is too large, and the way to it", () => {
    const { payload } = write([product(2, "Mug", 1_000)]);
    assert.deepEqual(
      [payload.products, payload.isTruncated, payload.nextUrl],
      [[], true, `${BASE}/getProcessingStatus/${BATCH.batchId}?cursor=${Buffer.from("line:0").toString("base64url")}`],
    );
  });

  test("says how it ended", () => {
    const messages = (
      [
        [0, 0, 0, 0],
        [1, 1, 0, 0],
        [3, 3, 0, 0],
        [3, 2, 1, 0],
        [3, 0, 3, 0],
        [3, 1, 1, 1],
      ] as const
    ).map(
      ([imagesTotal, imagesDone, imagesFailed, imagesSkipped]) =>
        write([], { imagesTotal, imagesDone, imagesFailed, imagesSkipped }).payload.message,
    );
    assert.deepEqual(messages, [
      "The file holds no image.",
      "The image is done.",
      "All 3 images are done.",
      "2 of 3 images are done, 1 failed.",
      "0 of 3 images are done, 3 failed.",
      "1 of 3 images are done, 1 failed, 1 skipped.",
    ]);
  });
});
