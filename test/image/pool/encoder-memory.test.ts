import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import sharp, { type Sharp } from "sharp";
import { encoderBytes } from "../../../src/domain/image/decode-cost.ts";
import { PRESETS, type Recipe } from "../../../src/domain/image/recipe.ts";
import type { Encoded } from "../../../src/image/pool/encode-result.ts";
import { EncoderPool } from "../../../src/image/pool/encoder-pool.ts";
import { decodeFacts } from "../../../src/image/encode/fit-memory.ts";
import { inspectImage } from "../../../src/image/inspect.ts";
import { makeSamplePhoto } from "../../../src/image/sample-photo.ts";
import type { StageResult } from "../../../src/domain/image/stage-result.ts";
import { createTestFolder } from "../../support/folder.ts";

const MIB = 1024 * 1024;
const never = new AbortController().signal;

describe("an encoder's memory", { timeout: 180_000 }, () => {
  let folder: string;
  let photo: string;
  let camera: string;
  before(async () => {
    folder = await createTestFolder();
    photo = join(folder, "photo.jpg");
    camera = join(folder, "camera.jpg");
    await writeFile(photo, await makeSamplePhoto({ width: 2400, height: 1800, seed: 1, format: "jpeg" }));
    await writeFile(camera, await makeSamplePhoto({ width: 6000, height: 4000, seed: 1, format: "jpeg" }));
  });

  const openPool = (memoryBytesMax: number, tasksMax: number) => {
    const lost: string[] = [];
    const onLost = ({ why }: { why: string }) => void lost.push(why);
    return { pool: new EncoderPool({ size: 1, pixelsMax: 1e8, allowSvg: false, taskMs: 60_000, memoryBytesMax, tasksMax, onLost }), lost };
  };

  /** One image in an encoder of its own, and the most that it had in memory. */
  const encode = async (
    path: string,
    recipe: Partial<Recipe>,
    memoryBytesMax = 4_096 * MIB,
    outputPath = join(folder, "out"),
  ): Promise<{ result: StageResult<Encoded>; peak: number; lost: string[]; task: Parameters<typeof decodeFacts>[1] }> => {
    const inspected = await inspectImage(
      { head: Buffer.from((await readFile(path)).subarray(0, 16_384)), path, bytes: (await stat(path)).size },
      { pixelsMax: 1e8, allowSvg: false },
    );
    assert.ok(inspected.ok, JSON.stringify(inspected));
    const task = {
      input: { ...inspected.value, path, bytes: (await stat(path)).size },
      outputs: [{ ...PRESETS.seed, ...recipe, name: "main", path: outputPath }],
    };
    const { pool, lost } = openPool(memoryBytesMax, 9);
    try {
      const result = await pool.encode(task, { signal: never, priority: 0 });
      const status = await readFile(`/proc/${pool.pids[0]}/status`, "utf8");
      return { result, peak: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024, lost, task };
    } finally {
      await pool.close();
    }
  };

  describe("is no more than was estimated, and not far less", () => {
    let made = 0;
    /** Once for all outputs: an AVIF takes longer to make than to read. */
    const make = (change: (image: Sharp) => Sharp) => {
      let path: Promise<string> | undefined;
      return () => (path ??= write(change));
    };
    const write = async (change: (image: Sharp) => Sharp) => {
      made += 1;
      const path = join(folder, `in-${made}`);
      await change(sharp(photo)).toFile(path);
      return path;
    };
    const inputs: Record<string, () => Promise<string>> = {
      JPEG: async () => photo,
      "turned JPEG": make((image) => image.withMetadata({ orientation: 6 }).jpeg()),
      "progressive JPEG": make((image) => image.jpeg({ progressive: true, chromaSubsampling: "4:4:4" })),
      PNG: make((image) => image.ensureAlpha(0.5).png({ compressionLevel: 1 })),
      "interlaced PNG of 16 bits": make((image) =>
        image.ensureAlpha(0.5).toColourspace("rgb16").png({ compressionLevel: 1, progressive: true }),
      ),
      "turned WebP": make((image) => image.withMetadata({ orientation: 8 }).webp({ effort: 0 })),
      AVIF: make((image) => image.avif({ effort: 0 })),
      "AVIF of 10 bits": make((image) => image.toColourspace("rgb16").avif({ effort: 0, bitdepth: 10 })),
      "tiled TIFF": make((image) => image.tiff({ compression: "lzw", tile: true, tileWidth: 1024, tileHeight: 1024 })),
    };
    const outputs: Record<string, Partial<Recipe>> = {
      JPEG: {},
      "a box": { width: 1600, height: 1600, format: "webp" },
      WebP: { format: "webp", effort: "fast" },
      PNG: { format: "png", effort: "fast" },
      AVIF: { format: "avif", effort: "fast" },
    };
    for (const [from, makeInput] of Object.entries(inputs)) {
      for (const [to, recipe] of Object.entries(outputs)) {
        test(`for ${from} to ${to}`, async () => {
          const { result, peak, task } = await encode(await makeInput(), recipe);
          assert.ok(result.ok, JSON.stringify(result));
          const [made] = result.value.outputs;
          assert.ok(made);
          const facts = decodeFacts(await sharp(task.input.path).metadata(), task);
          const estimate = encoderBytes(facts, {
            format: made.format,
            effort: recipe.effort ?? "balanced",
            quality: 50,
            width: made.width,
            height: made.height,
            isThrifty: false,
          });
          assert.ok(peak <= estimate, `${Math.round(peak / MIB)} MB instead of ${Math.round(estimate / MIB)}`);
          assert.ok(peak >= estimate * 0.5, `${Math.round(peak / MIB)} MB of ${Math.round(estimate / MIB)}`);
        });
      }
    }
  });

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
    const { pool, lost } = openPool(280 * MIB, 1_000);
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
