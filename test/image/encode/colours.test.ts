import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";
import { METADATA_KEPT, OUTPUT_FORMATS, outputsOf, PRESETS, type Recipe } from "../../../src/domain/image/recipe.ts";
import { encodeImage } from "../../../src/image/encode/encode.ts";
import { EncoderWorn, type EncoderLimits } from "../../../src/image/encode/fit-memory.ts";
import { inspectImage } from "../../../src/image/inspect.ts";
import { createTestFolder } from "../../support/folder.ts";

describe("colours", { timeout: 120_000 }, () => {
  let folder: string;
  let count = 0;
  before(async () => {
    folder = await createTestFolder();
  });

  const encode = async (input: Buffer, recipe: Partial<Recipe>, limits: Partial<EncoderLimits> = {}): Promise<Buffer[]> => {
    const path = join(folder, `${(count += 1)}.in`);
    await writeFile(path, input);
    const inspected = await inspectImage({ head: input, path, bytes: input.length }, { pixelsMax: 1e8, allowSvg: false });
    assert.ok(inspected.ok);
    const outputs = outputsOf({ ...PRESETS.seed, quality: 100, effort: "fast", ...recipe }).map((output) => ({
      ...output,
      path: `${path}-${output.name}`,
    }));
    const made = await encodeImage({ input: { ...inspected.value, path, bytes: input.length }, outputs }, { pixelsMax: 1e8, ...limits });
    return Promise.all(made.map(async (output) => readFile(output.path)));
  };
  const frame = { width: 30, height: 30, fit: "contain", background: "#0000ff" } as const;
  /** As one output, in a frame, and beside another: the same colours all the same. */
  const ways: Partial<Recipe>[] = [{}, frame, { outputs: [{ name: "a" }, { name: "b", ...frame }] }];

  const pixelAt = async (file: Buffer, x: number, y: number) => {
    const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
    const at = (y * info.width + x) * info.channels;
    return [...data.subarray(at, at + 3)];
  };
  const assertNear = (actual: number[], expected: number[], what: string) =>
    assert.ok(
      expected.every((value, index) => Math.abs(value - (actual[index] ?? 0)) <= 4),
      `${what}: ${actual} for ${expected}`,
    );
  const assertMiddle = async (input: Buffer, expected: number[], recipe: Partial<Recipe>) => {
    for (const way of ways)
      for (const file of await encode(input, { ...recipe, ...way })) {
        const { width, height } = await sharp(file).metadata();
        const what = JSON.stringify({ ...recipe, ...way });
        assertNear(await pixelAt(file, width >> 1, height >> 1), expected, what);
        if (height === frame.height) assertNear(await pixelAt(file, 0, 0), [0, 0, 255], `${what}, frame`);
      }
  };
  /** The numbers take the place of an AVIF's profile. */
  const sayByNumbers = (avif: Buffer, primaries: number, transfer: number) => {
    const at = avif.indexOf("colr", 0, "latin1") + 4;
    avif.fill(0, at, at + avif.readUInt32BE(at - 8) - 8);
    avif.write("nclx\0\0\0\0\0\u0006\u0080", at, "latin1");
    avif[at + 5] = primaries;
    avif[at + 7] = transfer;
    return avif;
  };
  const red = () => sharp({ create: { width: 60, height: 40, channels: 3, background: "#c8283c" } });

  describe("of 16 bits with a profile come to sRGB by it", () => {
    const deep = (profile: string) => red().toColourspace("rgb16").withIccProfile(profile);
    const inputs: Record<string, (profile: string) => Sharp> = {
      png: (profile) => deep(profile).png(),
      tiff: (profile) => deep(profile).tiff({ compression: "none", predictor: "none" }),
      avif: (profile) => red().withIccProfile(profile).avif({ bitdepth: 10, quality: 100 }),
    };
    for (const [from, make] of Object.entries(inputs)) {
      test(`from ${from} to every format`, async () => {
        for (const profile of ["srgb", "p3"]) {
          const input = await make(profile).toBuffer();
          for (const format of OUTPUT_FORMATS) await assertMiddle(input, [200, 40, 60], { format });
          await assertMiddle(input, [200, 40, 60], { metadata: "copyright" });
        }
      });
    }
    test("from a PNG that is too large to be read whole", async () => {
      const input = await deep("p3").resize(900, 900, { fit: "fill" }).png({ compressionLevel: 0 }).toBuffer();
      const [file] = await encode(input, {});
      assertNear(await pixelAt(file ?? input, 5, 5), [200, 40, 60], "a large PNG");
    });
  });

  describe("said by numbers (ITU-T H.273) come to sRGB", () => {
    const [bt709, bt2020, displayP3, sRgb, linear, gamma28] = [1, 9, 12, 13, 8, 5];
    const of = (red: number, green: number, blue: number) =>
      sharp({ create: { width: 60, height: 40, channels: 3, background: { r: red, g: green, b: blue } } });
    const png = async (image: Sharp, ...numbers: [primaries: number, transfer: number]) => {
      const plain = await image.png().toBuffer();
      return Buffer.concat([plain.subarray(0, 33), chunk("cICP", ...numbers, 0, 1), plain.subarray(33)]);
    };
    const avif = async (image: Sharp, primaries: number, transfer: number, bitdepth: 8 | 10 = 8) => {
      const options = { bitdepth, quality: 100, effort: 0, chromaSubsampling: "4:4:4" };
      return sayByNumbers(await image.withIccProfile("srgb").avif(options).toBuffer(), primaries, transfer);
    };
    /** Checked against lcms, by profiles of these primaries and curves: what is outside of sRGB is cut to its edge. */
    const cases: [primaries: number, transfer: number, ...colours: [from: string, to: string][]][] = [
      [displayP3, sRgb, ["b83943", "c8293f"], ["1e5adc", "005ce4"], ["00ff00", "00ff00"], ["ffc800", "ffc500"], ["808080", "808080"]],
      [displayP3, linear, ["5a1e3c", "ab5c87"]],
      [bt2020, bt709, ["a64e48", "c93744"], ["3c78c8", "007ccf"]],
      [bt2020, 14, ["ffffff", "ffffff"]],
      [bt709, linear, ["641432", "a84f7a"]],
      [bt709, gamma28, ["803cc8", "6a24bd"]],
      // As they are: sRGB, and what is taken for it.
      ...[sRgb, 1, 4, 6].map((transfer): [number, number, [string, string]] => [bt709, transfer, ["b83943", "b83943"]]),
      [2, 2, ["b83943", "b83943"]],
      [5, 6, ["b83943", "b83943"]],
      [6, 6, ["b83943", "b83943"]],
    ];
    const rgb = (hex: string) => [...Buffer.from(hex, "hex")] as [number, number, number];
    test("from PNG and AVIF, as large as they are and scaled, whatever is kept of their metadata", async () => {
      for (const [primaries, transfer, ...colours] of cases)
        for (const [from, to] of colours)
          for (const input of [
            await png(of(...rgb(from)), primaries, transfer),
            await png(of(...rgb(from)).toColourspace("rgb16"), primaries, transfer),
            await avif(of(...rgb(from)), primaries, transfer),
            await avif(of(...rgb(from)), primaries, transfer, 10),
          ])
            await assertMiddle(input, rgb(to), { format: "jpeg" });
      const input = await avif(of(...rgb("1e5adc")), displayP3, sRgb);
      for (const metadata of METADATA_KEPT)
        for (const format of OUTPUT_FORMATS.filter((format) => format !== "avif"))
          for (const size of [{}, { width: 30 }]) await assertMiddle(input, rgb("005ce4"), { metadata, format, ...size });
    });
    test("also of greys, whose light alone is to be brought there", async () => {
      const input = await png(of(55, 55, 55).toColourspace("b-w"), displayP3, linear);
      for (const format of ["jpeg", "webp"] as const) await assertMiddle(input, [128, 128, 128], { format });
    });
    test("with their transparency, and not the background that shows through it", async () => {
      const clear = sharp({ create: { width: 60, height: 40, channels: 4, background: { r: 184, g: 57, b: 67, alpha: 0.5 } } });
      const input = await png(clear, displayP3, sRgb);
      const [file = input] = await encode(input, { format: "webp", width: 20 });
      assertNear(await pixelAt(file, 5, 5), [200, 41, 63], "the colours");
      const [flat = input] = await encode(input, { format: "jpeg", background: "#0000ff" });
      assertNear(await pixelAt(flat, 5, 5), [100, 20, 159], "the colours on a background");
    });
    test("but not where a profile says it as well, nor where the input is kept, which has its numbers still", async () => {
      const profiled = await of(200, 40, 60).withIccProfile("p3").png().toBuffer();
      const input = Buffer.concat([profiled.subarray(0, 33), chunk("cICP", displayP3, sRgb, 0, 1), profiled.subarray(33)]);
      await assertMiddle(input, [200, 40, 60], { format: "webp" });
      const plain = await png(of(184, 57, 67).png({ palette: true }), displayP3, sRgb);
      const [kept = input] = await encode(plain, { format: "png", effort: "fast" });
      assert.ok(kept.includes("cICP"));
    });
    test("and are refused where an encoder's memory does not hold them for that", async () => {
      const input = await png(of(1, 2, 3).resize(6_000, 5_001, { fit: "fill" }), displayP3, sRgb);
      await assert.rejects(encode(input, { format: "jpeg" }), /The colours of the image are not those of sRGB/);
      await assertMiddle(input, [0, 2, 3], { format: "jpeg", width: 60 });
      // What earlier images took is no fault of this one.
      const memory = { memoryBytesMax: 512 * 1024 * 1024, wornBytes: 500 * 1024 * 1024 };
      await assert.rejects(encode(await avif(of(1, 2, 3), displayP3, sRgb), { format: "jpeg" }, memory), EncoderWorn);
    });
  });

  describe("of other kinds", () => {
    /** ICC.1:2022, 7 and 8.6: a monochrome profile whose curve is a straight line, so that 120 is as light as sRGB's 182. */
    const linear = () => {
      const header = Buffer.alloc(128);
      header.writeUInt32BE(0x02_10_00_00, 8);
      header.write("mntrGRAYXYZ ", 12, "latin1");
      header.write("acsp", 36, "latin1");
      const white = Buffer.from("0000f6d6000100000000d32d", "hex");
      white.copy(header, 68);
      const tags = Buffer.alloc(28);
      tags.writeUInt32BE(2);
      tags.write("kTRC", 4, "latin1");
      tags.writeUInt32BE(156, 8);
      tags.writeUInt32BE(12, 12);
      tags.write("wtpt", 16, "latin1");
      tags.writeUInt32BE(168, 20);
      tags.writeUInt32BE(20, 24);
      const profile = Buffer.concat([header, tags, Buffer.from("curv\0\0\0\0\0\0\0\0XYZ \0\0\0\0", "latin1"), white]);
      profile.writeUInt32BE(profile.length);
      return profile;
    };
    const grey = (space: "b-w" | "grey16") =>
      sharp({ create: { width: 60, height: 40, channels: 3, background: "#787878" } }).toColourspace(space);
    const jpeg = async () => {
      const plain = await grey("b-w").jpeg({ quality: 100 }).toBuffer();
      const head = Buffer.from("\u00ff\u00e2\0\0ICC_PROFILE\0\u0001\u0001", "latin1");
      const segment = Buffer.concat([head, linear()]);
      segment.writeUInt16BE(segment.length - 2, 2);
      return Buffer.concat([plain.subarray(0, 2), segment, plain.subarray(2)]);
    };
    const png = async (space: "b-w" | "grey16") => {
      const plain = await grey(space).png().toBuffer();
      const body = Buffer.concat([Buffer.from("iCCPgrey\0\0", "latin1"), deflateSync(linear())]);
      const chunk = Buffer.concat([Buffer.alloc(4), body, Buffer.alloc(4)]);
      chunk.writeUInt32BE(body.length - 4);
      chunk.writeUInt32BE(crc32(body), chunk.length - 4);
      return Buffer.concat([plain.subarray(0, 33), chunk, plain.subarray(33)]);
    };
    test("of greys come to sRGB by their profile, in a coloured frame as well, and where a profile is asked for that no output can have", async () => {
      const inputs = [await jpeg(), await png("b-w"), await png("grey16")];
      for (const input of inputs) {
        assert.equal((await sharp(input).metadata()).icc?.toString("latin1", 16, 20), "GRAY");
        for (const metadata of ["none", "icc"] as const)
          for (const format of ["jpeg", "webp", "png"] as const) await assertMiddle(input, [182, 182, 182], { metadata, format });
      }
    });
    test("of greys let a coloured background through in a JPEG", async () => {
      const clear = sharp({ create: { width: 60, height: 40, channels: 4, background: { r: 120, g: 120, b: 120, alpha: 0 } } });
      for (const space of ["b-w", "grey16"] as const) {
        const input = await clear.clone().toColourspace(space).png().toBuffer();
        assert.equal((await sharp(input).metadata()).space, space);
        await assertMiddle(input, [0, 0, 255], { background: "#0000ff" });
      }
    });
    test("of a PNG of another gamma come out as light as browsers show them, the background as it is", async () => {
      const gamma = (value: number) => chunk("gAMA", 0, value >> 16, (value >> 8) & 255, value & 255);
      const base = sharp({ create: { width: 60, height: 40, channels: 4, background: "#804020" } });
      const kinds = [base.clone(), base.clone().removeAlpha(), base.clone().toColourspace("rgb16")];
      const cases: [Buffer[], number[]][] = [
        [[gamma(100_000)], [186, 136, 99]],
        [[gamma(55_556)], [145, 82, 47]],
        [[gamma(30_000)], [90, 31, 11]],
        [[gamma(45_455)], [128, 64, 32]],
        [
          [gamma(100_000), chunk("sRGB", 0)],
          [128, 64, 32],
        ],
      ];
      for (const kind of kinds)
        for (const [chunks, expected] of cases) {
          const plain = await kind.clone().png().toBuffer();
          const input = Buffer.concat([plain.subarray(0, 33), ...chunks, plain.subarray(33)]);
          for (const format of ["jpeg", "webp"] as const) await assertMiddle(input, expected, { format });
        }
      const clear = await sharp({ create: { width: 60, height: 40, channels: 4, background: "#00000000" } })
        .png()
        .toBuffer();
      const input = Buffer.concat([clear.subarray(0, 33), gamma(100_000), clear.subarray(33)]);
      for (const metadata of METADATA_KEPT) {
        const [flat] = await encode(input, { background: "#0040ff", width: 20, metadata });
        assertNear(await pixelAt(flat ?? input, 5, 5), [0, 64, 255], `the background with ${metadata}`);
      }
    });
    const multiplied = async (change: (image: Sharp) => Sharp) => {
      const [red, green, blue] = [100, 20, 30];
      const left = sharp({ create: { width: 60, height: 40, channels: 4, background: { r: red, g: green, b: blue, alpha: 0.5 } } });
      // At the border of what is opaque, light colours would be mixed in if they were multiplied twice.
      const right = { create: { width: 10, height: 40, channels: 4, background: { r: 200, g: 40, b: 60, alpha: 1 } } } as const;
      const plain = await change(left.composite([{ input: right, left: 50, top: 0 }]))
        .avif({ quality: 100, effort: 0, chromaSubsampling: "4:4:4" })
        .toBuffer();
      const [meta = 0, references = 0] = ["meta", "iref"].map((type) => plain.indexOf(type, 0, "latin1") - 4);
      const metaEnd = meta + plain.readUInt32BE(meta);
      const end = references + plain.readUInt32BE(references);
      // ISO/IEC 14496-12, 8.11.12: the picture refers to its transparency.
      const reference = Buffer.from("\0\0\0\u000eprem\0\u0001\0\u0001\0\u0002", "latin1");
      const moved = Buffer.concat([plain.subarray(meta, end), reference, plain.subarray(end, metaEnd)]);
      for (const at of [0, references - meta]) moved.writeUInt32BE(moved.readUInt32BE(at) + reference.length, at);
      // The pixels stay where they are: a gap takes the place of the box that has grown.
      const input = Buffer.concat([plain, moved]);
      input.fill(0, meta + 4, metaEnd).write("free", meta + 4, "latin1");
      return input;
    };
    test("of an AVIF that are multiplied by their transparency are divided again", async () => {
      const input = await multiplied((image) => image);
      const recipes: Partial<Recipe>[] = [
        {},
        { width: 30 },
        { metadata: "icc" },
        { metadata: "copyright" },
        { outputs: [{ name: "a" }, { name: "b", width: 30 }] },
      ];
      for (const recipe of recipes) {
        for (const file of await encode(input, { format: "png", ...recipe })) {
          const { width } = await sharp(file).metadata();
          for (const at of [0.5, 0.8, 0.9])
            assertNear(await pixelAt(file, Math.floor(at * width), 5), [200, 40, 60], `${JSON.stringify(recipe)} at ${at}`);
        }
        for (const file of await encode(input, { format: "jpeg", background: "#0000ff", ...recipe }))
          assertNear(await pixelAt(file, 10, 10), [100, 20, 157], JSON.stringify(recipe));
      }
    });
    test("of an AVIF that are multiplied so, and said by numbers, are divided before they come to sRGB", async () => {
      const plain = await multiplied((image) => image.withIccProfile("srgb"));
      // The last is the one that is read.
      const at = plain.lastIndexOf("colr", undefined, "latin1") - 4;
      const input = Buffer.concat([plain.subarray(0, at), sayByNumbers(plain.subarray(at), 12, 13)]);
      for (const recipe of [{}, { width: 30 }])
        for (const file of await encode(input, { format: "png", ...recipe })) {
          const { width } = await sharp(file).metadata();
          for (const at of [0.5, 0.9]) assertNear(await pixelAt(file, Math.floor(at * width), 5), [218, 0, 54], `at ${at}`);
        }
    });
    test("of inks come out the same in a frame", async () => {
      const input = await red().toColourspace("cmyk").withIccProfile("cmyk").jpeg({ quality: 100 }).toBuffer();
      const [plain] = await encode(input, {});
      const expected = await pixelAt(plain ?? input, 5, 5);
      for (const metadata of ["none", "icc"] as const) await assertMiddle(input, expected, { metadata });
    });
  });
});

/** Of a PNG. */
function chunk(type: string, ...data: number[]): Buffer {
  const body = Buffer.from([...Buffer.from(type), ...data]);
  const whole = Buffer.concat([Buffer.alloc(4), body, Buffer.alloc(4)]);
  whole.writeUInt32BE(data.length);
  whole.writeUInt32BE(crc32(body), whole.length - 4);
  return whole;
}
