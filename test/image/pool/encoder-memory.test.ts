import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import sharp from "sharp";
import { PRESETS, type Recipe } from "../../../src/domain/image/recipe.ts";
import { makeSamplePhoto } from "../../../src/image/sample-photo.ts";
import { startPool } from "../../support/encoder-pool.ts";
import { createTestFolder } from "../../support/folder.ts";
import { encodeMeasured, MIB } from "../../support/measured-encoder.ts";

const never = new AbortController().signal;

describe("an encoder's memory", { timeout: 180_000 }, () => {
  let folder: string;
  let camera: string;
  before(async () => {
    folder = await createTestFolder();
    camera = join(folder, "camera.jpg");
    await writeFile(camera, await makeSamplePhoto({ width: 6000, height: 4000, seed: 1, format: "jpeg" }));
  });

  const encode = (path: string, recipe: Partial<Recipe>, memoryBytesMax?: number, outputPath = join(folder, "out")) =>
    encodeMeasured(path, outputPath, recipe, memoryBytesMax);

  describe("of 512 MB", () => {
    for (const orientation of [1, 6]) {
      const turned = () => join(folder, `turned-${orientation}.jpg`);
      before(() => sharp(camera).withMetadata({ orientation }).jpeg({ quality: 88 }).toFile(turned()));
      for (const format of ["jpeg", "webp", "png"] as const) {
        test(`holds a camera's 24 megapixels to ${format}, orientation ${orientation}`, async () => {
          const { result, peak, lost } = await encode(turned(), { format, effort: "fast" }, 512 * MIB);
          assert.ok(result.ok, JSON.stringify(result));
          assert.deepEqual(lost, []);
          assert.ok(peak < 512 * MIB);
        });
      }
    }

    test("refuses them to AVIF before it decodes, and says what helps: either does", async () => {
      const { result, peak } = await encode(camera, { format: "avif", effort: "fast" }, 512 * MIB);
      assert.ok(!result.ok);
      assert.equal(result.failure.code, "too_many_pixels");
      const [, needed] =
        /JPEG to AVIF, an encoder's 512 MB hold 1\d\.\d megapixels\. Ask for a smaller width and height, or let the operator set ENCODER_MEMORY_MB to (\d+) or more/.exec(
          result.failure.detail,
        ) ?? [];
      assert.ok(needed, result.failure.detail);
      assert.ok(peak < 150 * MIB);
      assert.ok((await encode(camera, { format: "avif", effort: "fast", width: 2048 }, 512 * MIB)).result.ok);
      const more = await encode(camera, { format: "avif", effort: "fast" }, Number(needed) * MIB);
      assert.ok(more.result.ok);
      assert.deepEqual(more.lost, []);
    });
  });

  describe("for grain", () => {
    let grainy: string;
    before(async () => {
      grainy = join(folder, "grainy.jpg");
      const [width, height] = [5_000, 3_400];
      const grain = Buffer.alloc(
        width * height * 3,
        randomBytes(MIB).map((byte) => 100 + (byte >> 2)),
      );
      await sharp(grain, { raw: { width, height, channels: 3 } })
        .jpeg({ quality: 90 })
        .toFile(grainy);
    });
    const webp = { format: "webp", quality: 90, effort: "fast" } as const;

    test("holds a WebP that has more of it than effort `fast` can write", async () => {
      const { result, lost } = await encode(grainy, webp);
      assert.ok(result.ok, JSON.stringify(result));
      const { format, width } = await sharp(result.value.outputs[0]?.path).metadata();
      assert.deepEqual([format, width, lost], ["webp", 5_000, []]);
    });

    test("is held in the least of it from the first, where it would not be otherwise", async () => {
      const { result, peak, lost } = await encode(grainy, { ...webp, effort: "balanced" }, 256 * MIB);
      assert.ok(result.ok, JSON.stringify(result));
      assert.deepEqual(lost, []);
      assert.ok(peak < 256 * MIB, `${peak}`);
    });

    test("takes a disk that is full then for what it is", { skip: !existsSync("/dev/full") }, async () => {
      const { result } = await encode(grainy, webp, 4_096 * MIB, "/dev/full");
      assert.deepEqual(result.ok ? null : [result.failure.code, result.failure.isDiskFull], ["storage_failed", true]);
    });
  });

  describe("for noise of which a file says little", () => {
    let noise: string;
    before(async () => {
      noise = join(folder, "noise.jpg");
      const [width, height] = [4_000, 3_000];
      await sharp(Buffer.alloc(width * height * 3, randomBytes(MIB)), { raw: { width, height, channels: 3 } })
        .jpeg({ quality: 30 })
        .toFile(noise);
    });
    const webp = { format: "webp", quality: 100 } as const;

    test("is outgrown once, and then the least is taken", async () => {
      const { result, lost } = await encode(noise, webp, 360 * MIB);
      assert.ok(result.ok, JSON.stringify(result));
      assert.deepEqual(lost, ["memory"]);
    });

    test("is outgrown even so, which is said of the image with what helps", async () => {
      const { result, lost } = await encode(noise, webp, 225 * MIB);
      assert.ok(!result.ok);
      assert.deepEqual([result.failure.code, result.failure.retry, lost], ["too_many_pixels", false, ["memory", "memory"]]);
      assert.match(
        result.failure.detail,
        /an encoder's 225 MB hold\. Ask for a smaller width and height or a lower quality, or let the operator/,
      );
      assert.ok((await encode(noise, { ...webp, width: 2_000 }, 225 * MIB)).result.ok, "what it says helps");
    });
  });

  test("that earlier images have worn does not cost a later one a try", async () => {
    const { pool, lost } = startPool({ taskMs: 60_000, memoryBytesMax: 280 * MIB });
    try {
      const outputs = [{ ...PRESETS.seed, name: "main", path: join(folder, "worn") }];
      const [first] = pool.pids;
      for (let index = 0; index < 6; index += 1) {
        const result = await pool.encode(
          { input: { path: camera, format: "jpeg", width: 6000, height: 4000, bytes: 1e9 }, outputs },
          { signal: never, priority: 0 },
        );
        assert.ok(result.ok, JSON.stringify(result));
      }
      assert.notEqual(pool.pids[0], first, "it was not replaced");
      assert.deepEqual(lost, []);
    } finally {
      await pool.close();
    }
  });
});
