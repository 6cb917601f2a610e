import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import sharp from "sharp";
import { readConfig } from "../../../src/config.ts";
import { OUTPUT_FORMATS, PRESETS } from "../../../src/domain/image/recipe.ts";
import { resultOf } from "../../../src/image/pool/encode-result.ts";
import type { EncodeTask } from "../../../src/image/encode/encode-task.ts";
import { makeSamplePhoto } from "../../../src/image/sample-photo.ts";
import { encode, encodeTask, startPool } from "../../support/encoder-pool.ts";
import { createTestFolder } from "../../support/folder.ts";
import { blackTiff, gif } from "../../support/hostile-files.ts";

describe("what an encoder says of a file", { timeout: 60_000 }, () => {
  let folder: string;
  before(async () => {
    folder = await createTestFolder();
  });
  const task = (path: string) => encodeTask(folder, path);

  test("has the memory for a turned image of 100 megapixels", async () => {
    const path = join(folder, "huge.jpg");
    await sharp({ create: { width: 12_500, height: 8_000, channels: 3, background: "#884422" } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toFile(path);
    const { pool, lost } = startPool({ memoryBytesMax: readConfig({}).encoderMemoryBytes });
    const given = task(path);
    const result = await encode(pool, { ...given, input: { ...given.input, width: 12_500, height: 8_000 } });
    assert.deepEqual(lost, []);
    assert.ok(result.ok);
    assert.deepEqual([result.value.outputs[0]?.width, result.value.outputs[0]?.height], [8_000, 12_500]);
  });

  test("says how many pixels are allowed where more come to light than the header told", async () => {
    const path = join(folder, "large.jpg");
    await writeFile(path, await makeSamplePhoto({ width: 2400, height: 1800, seed: 1, format: "jpeg" }));
    const result = await encode(startPool({ pixelsMax: 2e6 }).pool, task(path));
    assert.deepEqual(result.ok ? null : [result.failure.code, result.failure.detail], [
      "too_many_pixels",
      "Decoded, the image has more than the 2 megapixels that are allowed.",
    ]);
  });

  test("says of an image that is too long for a format's files so, and not that it is damaged", async () => {
    const path = join(folder, "long.png");
    const side = 65_501;
    await sharp({ create: { width: 2, height: side, channels: 3, background: "#884422" } }).toFile(path);
    const { pool } = startPool();
    for (const [format, most] of [
      ["webp", 16_383],
      ["avif", 16_384],
      ["jpeg", 65_500],
    ] as const) {
      const input = { path, format: "png" as const, width: 2, height: side, bytes: 1_000 };
      const to = (box: object) => ({
        input,
        outputs: [{ ...PRESETS.seed, format, name: "main", path: join(folder, `long.${format}`), ...box }],
      });
      const result = await encode(pool, to({}));
      assert.ok(!result.ok);
      assert.equal(result.failure.code, "too_many_pixels");
      assert.match(result.failure.detail, new RegExp(`side of ${side} pixels; ${format.toUpperCase()} holds at most ${most}\\.`));
      assert.ok((await encode(pool, to({ height: 16_383 }))).ok, "what the message says helps");
    }
  });

  test("calls a damaged file corrupt, whatever its headers say", async () => {
    const { pool, lost } = startPool();
    for (const format of ["jpeg", "png", "webp", "avif", "gif", "tiff"] as const) {
      const whole = await makeSamplePhoto({ width: 200, height: 150, seed: 5, format });
      const path = join(folder, `cut.${format}`);
      await writeFile(path, whole.subarray(0, Math.floor(whole.length / 2)));
      const result = await encode(pool, task(path));
      assert.equal(result.ok ? null : result.failure.code, "corrupt_image", format);
    }
    assert.deepEqual(lost, []);
  });

  test("calls a damaged file corrupt whatever is to be made of it", async () => {
    const { pool } = startPool();
    const path = join(folder, "cut.jpg");
    const whole = await makeSamplePhoto({ width: 200, height: 150, seed: 5, format: "jpeg" });
    await writeFile(path, whole.subarray(0, Math.floor(whole.length / 2)));
    for (const format of OUTPUT_FORMATS) {
      const given = task(path);
      const result = await encode(pool, { ...given, outputs: given.outputs.map((output) => ({ ...output, format })) });
      const { code, detail = "" } = result.ok ? { code: null } : result.failure;
      assert.equal(code, "corrupt_image", format);
      assert.equal(detail, "The image is damaged and cannot be decoded (VipsJpeg: premature end of JPEG image).");
    }
  });

  test("does not call damaged what the disk does not give any more, be it all of it or its end", async () => {
    const { pool } = startPool();
    const path = join(folder, "lost.jpg");
    const whole = await makeSamplePhoto({ width: 200, height: 150, seed: 5, format: "jpeg" });
    await writeFile(path, whole);
    const cut = task(path);
    await writeFile(path, whole.subarray(0, Math.floor(whole.length / 2)));
    for (const given of [cut, task(join(folder, "missing.jpg"))]) {
      const result = await encode(pool, given);
      const { code, detail, retry } = result.ok ? {} : result.failure;
      assert.deepEqual({ code, detail, retry }, { code: "storage_failed", detail: "The downloaded image could not be read.", retry: true });
    }
  });

  test("does not call damaged what is whole and coded in a way that nothing here reads", async () => {
    const { pool } = startPool();
    const path = join(folder, "odd");
    const whole = await makeSamplePhoto({ width: 200, height: 150, seed: 5, format: "jpeg" });
    const frame = whole.indexOf(Buffer.from([0xff, 0xc0]));
    const of12Bits = Buffer.from(whole).fill(12, frame + 4, frame + 5);
    const differential = Buffer.from(whole).fill(0xc5, frame + 1, frame + 2);
    const tooLong = Buffer.from(whole);
    tooLong.writeUInt16BE(65_501, frame + 5);
    const tiff = await sharp(whole).tiff({ compression: "none" }).toBuffer();
    // TIFF 6.0, section 8: tag 259 as a SHORT, which says how the pixels are compressed.
    const tag = tiff.indexOf(Buffer.from([0x03, 0x01, 3, 0, 1, 0, 0, 0, 1, 0]));
    const [zstandard, jpeg2000] = [50_000, 34_712].map((scheme) => {
      const bytes = Buffer.from(tiff);
      bytes.writeUInt16LE(scheme, tag + 8);
      return bytes;
    });
    // libvips lets libtiff have 50 MiB, of which a strip of nearly as much leaves "No space for" what else it takes: no disk is full.
    const inOneStrip = blackTiff({ width: 5000, height: 3495, isStored: true });
    const jpegs = [of12Bits, differential, tooLong].map((bytes) => ({ format: "jpeg" as const, bytes }));
    const tiffs = [zstandard, jpeg2000, inOneStrip].map((bytes) => ({ format: "tiff" as const, bytes }));
    for (const { format, bytes } of [...jpegs, ...tiffs]) {
      await writeFile(path, bytes ?? "");
      const given = task(path);
      const result = await encode(pool, { ...given, input: { ...given.input, format } });
      assert.equal(result.ok ? null : result.failure.code, "unsupported_format");
      assert.match(result.ok ? "" : (result.failure.detail ?? ""), /^The image is coded in a way that is not supported \(.+\)\.$/);
    }
  });

  test("takes an error that the disk gives for no damage, whatever is to be made", { skip: !existsSync("/proc/self/mem") }, async () => {
    const size = { width: 1800, height: 1200 };
    const path = join(folder, "erring.jpg");
    await writeFile(path, await makeSamplePhoto({ ...size, seed: 6, format: "jpeg" }));
    const { pool } = startPool();
    // EIO, and a file that cannot be opened.
    for (const output of ["/proc/self/mem", join(folder, "no such folder", "out")])
      for (const format of OUTPUT_FORMATS) {
        const { input } = task(path);
        const outputs = [{ ...PRESETS.seed, name: "main", format, path: output, effort: "fast" } as const];
        const result = await encode(pool, { input: { ...input, ...size }, outputs });
        const { code, isDiskFull, retry } = result.ok ? {} : result.failure;
        assert.deepEqual({ code, isDiskFull, retry }, { code: "storage_failed", isDiskFull: false, retry: true }, `${format} to ${output}`);
      }
  });

  test("knows that the disk is full whatever is to be made", { skip: !existsSync("/dev/full") }, async () => {
    // So large that libvips itself writes the file, piece by piece.
    const size = { width: 1800, height: 1200 };
    const path = join(folder, "piecewise.jpg");
    await writeFile(path, await makeSamplePhoto({ ...size, seed: 6, format: "jpeg" }));
    const { pool } = startPool();
    for (const format of OUTPUT_FORMATS) {
      const { input } = task(path);
      const output = { ...PRESETS.seed, name: "main", format, path: "/dev/full", effort: "fast" } as const;
      const result = await encode(pool, { input: { ...input, ...size }, outputs: [output] });
      assert.deepEqual(result.ok ? null : [result.failure.code, result.failure.isDiskFull], ["storage_failed", true], format);
    }
  });

  test("tells nothing of where files lie, whatever their folder is called", () => {
    const given = task(join(folder, "a folder", "with  blanks.jpg"));
    const fault = `Input file is missing: ${given.input.path}`;
    const result = resultOf({ id: 1, encodeMs: 1, fault, kind: "image" }, given);
    assert.equal(result.ok ? null : result.failure.detail, "The image is damaged and cannot be decoded (Input file is missing: …).");
  });

  test("opens nothing but the formats it is for", async () => {
    const path = join(folder, "drawing.jpg");
    await writeFile(path, '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10"/></svg>');
    const result = await encode(startPool().pool, task(path));
    assert.equal(result.ok ? null : result.failure.code, "corrupt_image");
  });

  test("takes the first frame of an animation and converts CMYK to sRGB", async () => {
    const { pool } = startPool();
    const frame = (shade: number) => ({ create: { width: 40, height: 30, channels: 3 as const, background: { r: shade, g: 0, b: 0 } } });
    const animated = join(folder, "animated.gif");
    await sharp([await sharp(frame(250)).png().toBuffer(), await sharp(frame(10)).png().toBuffer()], { join: { animated: true } })
      .gif({ delay: [100, 100] })
      .toFile(animated);
    const cmyk = join(folder, "cmyk.jpg");
    await sharp(frame(200)).toColourspace("cmyk").jpeg().toFile(cmyk);
    for (const path of [animated, cmyk]) {
      const given = task(path);
      assert.ok((await encode(pool, given)).ok, path);
      const { width, height, space, pages } = await sharp(given.outputs[0]?.path).metadata();
      assert.deepEqual({ width, height, space, pages }, { width: 40, height: 30, space: "srgb", pages: undefined });
    }
  });

  test("reads a GIF from memory, whose first frame leaves some of its screen free", async () => {
    const { pool } = startPool();
    const given = task(join(folder, "free.gif"));
    const file = gif({ screen: [40, 30], frame: [20, 10] });
    await writeFile(given.input.path, file);
    const input: EncodeTask["input"] = { ...given.input, format: "gif", width: 40, height: 30, bytes: file.length, isPartlyCovered: true };
    const result = await encode(pool, { ...given, input });
    assert.ok(result.ok, JSON.stringify(result));
    const { width, height } = await sharp(given.outputs[0]?.path).metadata();
    assert.deepEqual([width, height], [40, 30]);
  });
});
