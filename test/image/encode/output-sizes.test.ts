import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import sharp from "sharp";
import { outputSize, type Box, type Size } from "../../../src/domain/image/output-size.ts";
import { FITS, PRESETS } from "../../../src/domain/image/recipe.ts";
import { encodeImage } from "../../../src/image/encode/encode.ts";
import { createTestFolder } from "../../support/folder.ts";

type Input = Size & { format: "jpeg" | "png" | "webp"; orientation: number };

describe("the size of an output", { timeout: 120_000 }, () => {
  let folder: string;
  let count = 0;
  before(async () => {
    folder = await createTestFolder();
  });

  const make = async ({ format, orientation, width, height }: Input): Promise<string> => {
    const path = join(folder, `${(count += 1)}.in`);
    const plain = sharp({ create: { width, height, channels: 3, background: "#aabbcc" } }).toFormat(format, { effort: 1 });
    await (orientation === 1 ? plain : plain.withMetadata({ orientation })).toFile(path);
    return path;
  };
  /** Their sizes as they are told, which must be those that lie there. */
  const encode = async (path: string, { format, width, height }: Input, boxes: readonly Box[]): Promise<Size[]> => {
    const outputs = boxes.map((box, index) => ({
      ...PRESETS.seed,
      effort: "fast" as const,
      ...box,
      name: String(index),
      path: join(folder, `${index}.out`),
    }));
    const made = await encodeImage({ input: { path, format, width, height, bytes: (await stat(path)).size }, outputs }, { pixelsMax: 1e8 });
    return Promise.all(
      made.map(async (output) => {
        const file = await sharp(output.path).metadata();
        assert.deepEqual([output.width, output.height], [file.width, file.height]);
        return { width: output.width, height: output.height };
      }),
    );
  };
  const uprightOf = ({ orientation, width, height }: Input): Size =>
    orientation >= 5 ? { width: height, height: width } : { width, height };

  const input = fc.record<Input>({
    format: fc.constantFrom("jpeg", "png", "webp"),
    orientation: fc.constantFrom(1, 1, 3, 6),
    width: fc.integer({ min: 1, max: 900 }),
    height: fc.integer({ min: 1, max: 900 }),
  });
  const side = fc.option(fc.integer({ min: 1, max: 1_000 }), { nil: undefined });
  const box = fc
    .record({ fit: fc.constantFrom(...FITS), width: side, height: side })
    .map(({ fit, width, height }): Box => ({ fit, ...(width && { width }), ...(height && { height }) }));

  test("is the same beside other outputs as alone, and the one that was counted before", async () => {
    await fc.assert(
      fc.asyncProperty(input, fc.array(box, { minLength: 2, maxLength: 4 }), async (given, boxes) => {
        const path = await make(given);
        const together = await encode(path, given, boxes);
        for (const [index, one] of boxes.entries()) {
          const [alone] = await encode(path, given, [one]);
          assert.deepEqual(together[index], alone);
          assert.deepEqual(alone, outputSize(one, uprightOf(given)));
        }
      }),
      { numRuns: 80 },
    );
  });

  test("is the box's own where it fits: with a thumb beside it no pixel more", async () => {
    const given: Input = { format: "png", orientation: 1, width: 1920, height: 1080 };
    const path = await make(given);
    const sizes = async (one: Box) => (await encode(path, given, [one, { fit: "inside", width: 100, height: 100 }]))[0];
    assert.deepEqual(await sizes({ fit: "fill", height: 300 }), { width: 1920, height: 300 });
    assert.deepEqual(await sizes({ fit: "inside", height: 300 }), { width: 533, height: 300 });
    assert.deepEqual(await sizes({ fit: "cover", width: 500, height: 300 }), { width: 500, height: 300 });
    assert.deepEqual(await sizes({ fit: "contain", width: 500, height: 300 }), { width: 500, height: 300 });
    assert.deepEqual(await sizes({ fit: "outside", width: 500, height: 300 }), { width: 533, height: 300 });
  });

  test("has the picture in the middle of its box, beside a thumb as well", async () => {
    const stripes = [40, 120, 40].map((width, index) => ({
      input: { create: { width, height: 100, channels: 3 as const, background: index === 1 ? "#ff0000" : "#0000ff" } },
      left: [0, 40, 160][index] ?? 0,
      top: 0,
    }));
    const path = join(folder, "stripes.png");
    await sharp({ create: { width: 200, height: 100, channels: 3, background: "#000000" } })
      .composite(stripes)
      .png()
      .toFile(path);
    const given: Input = { format: "png", orientation: 1, width: 200, height: 100 };
    await encode(path, given, [
      { fit: "cover", width: 60, height: 50 },
      { fit: "contain", width: 80, height: 80 },
    ]);
    const at = async (file: string, x: number, y: number) => {
      const { data, info } = await sharp(join(folder, file)).raw().toBuffer({ resolveWithObject: true });
      return [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)].map((value) => Math.round(value / 255));
    };
    assert.deepEqual(
      [await at("0.out", 4, 25), await at("0.out", 55, 25)],
      [
        [1, 0, 0],
        [1, 0, 0],
      ],
      "cut on both sides alike",
    );
    assert.deepEqual(
      [await at("1.out", 40, 15), await at("1.out", 40, 65)],
      [
        [1, 1, 1],
        [1, 1, 1],
      ],
      "with as much frame above as below",
    );
    assert.deepEqual(
      [await at("1.out", 40, 25), await at("1.out", 40, 55)],
      [
        [1, 0, 0],
        [1, 0, 0],
      ],
    );
  });
});
