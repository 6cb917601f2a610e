import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { crc32 } from "node:zlib";
import exifReader from "exif-reader";
import sharp, { type Sharp } from "sharp";
import { outputsOf, PRESETS, type Recipe } from "../../../src/domain/image/recipe.ts";
import { encodeImage } from "../../../src/image/encode/encode.ts";
import type { EncodedOutput, EncodeTask } from "../../../src/image/encode/encode-task.ts";
import { makeOnceMore, TooLargeForFormat } from "../../../src/image/encode/fit-format.ts";
import { inspectImage } from "../../../src/image/inspect.ts";
import { passWarnings } from "../../../src/image/encode/prepare-input.ts";
import { stripMetadata } from "../../../src/image/encode/strip-metadata.ts";
import { makeSamplePhoto } from "../../../src/image/sample-photo.ts";
import { createTestFolder } from "../../support/folder.ts";
import { gif, type Gif } from "../../support/hostile-files.ts";

describe("encoding", () => {
  let folder: string;
  let photo: Buffer;
  let count = 0;
  before(async () => {
    folder = await createTestFolder();
    photo = await makeSamplePhoto({ width: 1200, height: 800, seed: 3, format: "jpeg" });
  });

  const encode = async (input: Buffer | Sharp, recipe: Partial<Recipe> = {}): Promise<(EncodedOutput & { file: Buffer })[]> => {
    count += 1;
    const path = join(folder, `${count}.in`);
    await writeFile(path, Buffer.isBuffer(input) ? input : await input.toBuffer());
    const bytes = await readFile(path);
    const inspected = await inspectImage({ head: bytes, path, bytes: bytes.length }, { pixelsMax: 1e8, allowSvg: true });
    assert.ok(inspected.ok, JSON.stringify(inspected));
    const outputs = outputsOf({ ...PRESETS.seed, ...recipe }).map((output) => ({
      ...output,
      path: join(folder, `${count}-${output.name}.out`),
    }));
    const made = await encodeImage({ input: { ...inspected.value, path, bytes: bytes.length }, outputs }, { pixelsMax: 1e8 });
    return Promise.all(made.map(async (output) => ({ ...output, file: await readFile(output.path) })));
  };
  const one = async (...args: Parameters<typeof encode>) => {
    const [output] = await encode(...args);
    assert.ok(output);
    assert.equal(output.bytes, output.file.length, "the bytes that are told are those that lie there");
    return output;
  };
  const pixels = (file: Buffer) => sharp(file).raw().toBuffer();
  const cutOut = (alpha: number) =>
    sharp({ create: { width: 300, height: 200, channels: 4, background: { r: 200, g: 30, b: 30, alpha } } }).png();

  test("tries a WebP once more that its codec refuses, and then says what helps", async () => {
    const refused = new Error("webpsave: unable to encode\nwbuffer_write: write failed\nsystem error: Unknown error -1");
    const tries: boolean[] = [];
    const making = makeOnceMore("webp", async ({ isOnceMore }) => {
      tries.push(isOnceMore);
      throw refused;
    });
    await assert.rejects(making, (error) => error instanceof TooLargeForFormat && /Ask for a smaller width and height/.test(error.message));
    assert.deepEqual(tries, [false, true]);
    const full = new Error("/dev/full: write error\nsystem error: No space left on device");
    await assert.rejects(
      makeOnceMore("webp", () => Promise.reject(full)),
      full,
    );
  });

  describe("a TIFF in tiles", () => {
    const tiled = () =>
      sharp(randomBytes(256 * 256 * 3), { raw: { width: 256, height: 256, channels: 3 } })
        .tiff({ compression: "deflate", tile: true, tileWidth: 64, tileHeight: 64 })
        .toBuffer();
    test("that has lost one is refused, and not shown with a black hole", async () => {
      const file = await tiled();
      assert.equal((await one(file)).width, 256);
      await assert.rejects(one(Buffer.from(file).fill(0x55, 60_000, 60_200)), /Decoding error|error in tile/);
    });
    test("of which libvips has only warned is opened as others are, unless a tile is lost", () => {
      const facts = { format: "tiff", path: "nowhere.tif", bytes: 1, width: 1, height: 1 } as const;
      const openAgain = (message: string, input: EncodeTask["input"] = { ...facts, tileHeight: 64 }) =>
        passWarnings({ input, outputs: [] }, new Error(message), { pixelsMax: 1e8 });
      const warned = "Warning treated as error due to failOn setting";
      assert.ok(openAgain(warned));
      assert.deepEqual([openAgain(`${warned}: error in tile 0 x 64`), openAgain("bad seek"), openAgain(warned, facts)], [null, null, null]);
    });
  });

  test("WebP has the most effort where nothing can be transparent, where it costs seconds one less", async () => {
    const seeThrough = await sharp(photo).resize(120, 90).ensureAlpha(0.5).png().toBuffer();
    for (const [file, effort] of [
      [photo, 6],
      [seeThrough, 5],
    ] as const) {
      const { bytes } = await one(file, { format: "webp", quality: 70, effort: "small" });
      assert.equal(bytes, (await sharp(file).webp({ quality: 70, effort }).toBuffer()).length);
    }
  });

  describe("auto", () => {
    test("is JPEG for a photograph, and for a picture whose alpha channel hides nothing", async () => {
      assert.equal((await one(photo, { format: "auto" })).format, "jpeg");
      assert.equal((await one(cutOut(1), { format: "auto" })).format, "jpeg");
    });
    test("is WebP for what shows through, and it still does", async () => {
      const output = await one(cutOut(0.4), { format: "auto" });
      assert.equal(output.format, "webp");
      assert.equal((await sharp(output.file).stats()).isOpaque, false);
    });
    test("sees a small hole in a large picture", async () => {
      const hole = await sharp({ create: { width: 2000, height: 1500, channels: 4, background: "#336699" } })
        .composite([
          {
            input: Buffer.from([0, 0, 0, 255]),
            raw: { width: 1, height: 1, channels: 4 },
            tile: false,
            left: 1000,
            top: 700,
            blend: "dest-out",
          },
        ])
        .png()
        .toBuffer();
      assert.equal((await one(hole, { format: "auto" })).format, "webp");
    });
  });

  test("several outputs come from one decode, each with its own settings", async () => {
    const turned = sharp(photo).withMetadata({ orientation: 6 }).jpeg({ quality: 95 });
    const made = await encode(turned, {
      quality: 80,
      outputs: [
        { name: "large", width: 600, height: 600 },
        { name: "thumb", width: 100, height: 100, fit: "cover", format: "webp" },
        { name: "wide", width: 300 },
      ],
    });
    assert.deepEqual(
      made.map(({ name, format, width, height, quality }) => [name, format, width, height, quality]),
      [
        ["large", "jpeg", 400, 600, 80],
        ["thumb", "webp", 100, 100, 80],
        ["wide", "jpeg", 300, 450, 80],
      ],
    );
    // The same picture as from an own decode, but for rounding: as alike as two encodings of it.
    const [alone] = await encode(turned, { quality: 80, width: 600, height: 600 });
    const [together, apart] = [await pixels(made[0]?.file ?? Buffer.alloc(0)), await pixels(alone?.file ?? Buffer.alloc(0))];
    const difference = together.reduce((sum, value, index) => sum + Math.abs(value - (apart[index] ?? 0)), 0) / together.length;
    assert.ok(difference < 2, `${difference} of 255 on average`);
  });

  describe("several outputs come from one decode of the file,", { skip: !existsSync("/proc/self/io") }, () => {
    /** Large enough to be left on the disk, from where libvips reads it anew for each decode. */
    const file = () =>
      sharp(
        randomBytes(900 * 700 * 4).map((byte, at) => (at % 4 === 3 ? 255 : byte)),
        { raw: { width: 900, height: 700, channels: 4 } },
      )
        .png({ compressionLevel: 0 })
        .toBuffer();
    const bytesRead = async () => Number(/rchar: (\d+)/.exec(await readFile("/proc/self/io", "utf8"))?.[1]);
    /** How often this process has read a file, which it does once before all else. */
    const timesDecoded = async (input: Buffer, recipe: Partial<Recipe>) => {
      const before = await bytesRead();
      await encode(input, { width: 60, effort: "fast", ...recipe });
      return Math.round(((await bytesRead()) - before) / input.length) - 1;
    };
    const outputs = [{ name: "a" }, { name: "b", width: 50 }, { name: "c", width: 40 }];
    test("of which the look for what is transparent has its pixels", async () => {
      const input = await file();
      const decodes = [];
      for (const format of ["jpeg", "auto"] as const) decodes.push(await timesDecoded(input, { format, outputs }));
      assert.deepEqual(decodes, [1, 1]);
      assert.equal(await timesDecoded(input, { format: "auto" }), 2, "and alone it is looked at before");
    });
    test("but for those that keep the profile, which are decoded each for itself", async () => {
      const input = await file();
      assert.equal(await timesDecoded(input, { format: "jpeg", metadata: "icc", outputs }), outputs.length);
      const [first, ...others] = outputs;
      const mixed = [{ ...first, name: "a", metadata: "icc" as const }, ...others];
      assert.equal(await timesDecoded(input, { format: "jpeg", outputs: mixed }), 2);
    });
  });

  test("an image is never enlarged, by none of its outputs", async () => {
    const made = await encode(photo, {
      outputs: [
        { name: "a", width: 5000 },
        { name: "b", width: 5000, height: 5000, fit: "inside" },
      ],
    });
    assert.deepEqual(
      made.map(({ width, height }) => [width, height]),
      [
        [1200, 800],
        [1200, 800],
      ],
    );
  });

  test("the background is what shows through in a JPEG", async () => {
    const output = await one(cutOut(0), { format: "jpeg", background: "#0000ff", quality: 100 });
    const [red = 255, , blue = 0] = await pixels(output.file);
    assert.ok(red < 10 && blue > 245);
  });
  test("what the first frame of a GIF leaves free is transparent, whatever colours it has", async () => {
    const cases: [Partial<Gif>, [number, number]][] = [
      [{ frame: [60, 50] }, [640, 480]],
      [{ frame: [60, 50], at: [10, 20] }, [640, 480]],
      [{ frame: [60, 50], at: [10, 20], transparent: 1 }, [640, 480]],
      [{ frame: [60, 50], at: [10, 20], frames: 2 }, [640, 480]],
      // The screen is as wide as the frame reaches.
      [{ frame: [60, 50], at: [90, 0], screen: [100, 80] }, [150, 80]],
    ];
    for (const [some, [width, height]] of cases) {
      const input: Gif = { screen: [640, 480], frame: [60, 50], at: [0, 0], ...some };
      const { file } = await one(gif(input), { format: "png", quality: 100 });
      const alpha = await sharp(file).extractChannel("alpha").raw().toBuffer();
      const [left, top] = input.at ?? [0, 0];
      const expected = Buffer.alloc(width * height);
      for (let y = top; y < top + 50; y += 1) expected.fill(255, y * width + left, y * width + left + 60);
      assert.ok(alpha.equals(expected), JSON.stringify(some));

      const [flat] = await encode(gif(input), { format: "jpeg", background: "#0000ff", quality: 100 });
      const colours = await pixels(flat?.file ?? file);
      const [inside, outside] = [(top + 5) * width + left + 5, (height - 5) * width + 5].map((at) => [
        ...colours.subarray(3 * at, 3 * at + 3),
      ]);
      assert.ok((inside?.[0] ?? 0) > 190 && (outside?.[2] ?? 0) > 245, `${JSON.stringify(some)}: ${inside}, ${outside}`);
    }
    assert.equal((await one(gif({ screen: [80, 80], frame: [40, 40] }), { format: "auto" })).format, "webp");
    assert.equal((await one(gif({ screen: [40, 40], frame: [40, 40] }), { format: "auto" })).format, "jpeg");
  });
  test("the background around a grey picture has its colour, in every format", async () => {
    const grey = await sharp({ create: { width: 60, height: 20, channels: 3, background: "#808080" } })
      .toColourspace("b-w")
      .png()
      .toBuffer();
    for (const format of ["jpeg", "webp", "avif", "png"] as const) {
      const output = await one(grey, { format, width: 40, height: 40, fit: "contain", background: "#0000ff", quality: 100 });
      const [red = 255, , blue = 0] = await pixels(output.file);
      assert.ok(red < 10 && blue > 245, `${format}: red ${red}, blue ${blue}`);
    }
  });

  describe("of an input that was compressed well before", () => {
    const metadata = { exif: { IFD0: { Copyright: "somebody", ImageDescription: "a secret place" } } };
    const optimal: Record<string, () => Promise<Buffer>> = {
      jpeg: async () => sharp(photo).jpeg({ quality: 30, mozjpeg: true }).withExif(metadata.exif).toBuffer(),
      png: async () =>
        sharp({ create: { width: 400, height: 300, channels: 3, background: "#123456" } })
          .png({ palette: true, compressionLevel: 9, effort: 10 })
          .withExif(metadata.exif)
          .toBuffer(),
      webp: async () => sharp(photo).webp({ quality: 20, effort: 6 }).withExif(metadata.exif).toBuffer(),
    };
    for (const [format, make] of Object.entries(optimal)) {
      test(`${format}: the input is kept, without its metadata and with every pixel`, async () => {
        const input = await make();
        const output = await one(input, { format: format as Recipe["format"], quality: 100, effort: "fast" });
        assert.equal(output.isKept, true);
        assert.ok(output.bytes < input.length);
        assert.deepEqual(await pixels(output.file), await pixels(input));
        const { exif, xmp, orientation } = await sharp(output.file).metadata();
        assert.deepEqual([exif, xmp, orientation], [undefined, undefined, undefined]);
        assert.equal(output.file.includes("a secret place"), false);
      });
    }
    test("not where the output has another size, format or orientation", async () => {
      const input = (await optimal["jpeg"]?.()) ?? Buffer.alloc(0);
      assert.equal((await one(input, { quality: 100, width: 1199 })).isKept, false);
      assert.equal((await one(input, { quality: 100, format: "png" })).isKept, false);
      assert.equal(
        (await one(sharp(input).withMetadata({ orientation: 3 }).jpeg({ quality: 30, mozjpeg: true }), { quality: 100 })).isKept,
        false,
      );
      assert.equal((await one(photo, { quality: 50 })).isKept, false, "and not where the output is smaller");
    });
    test("not where it is a JPEG that no browser shows", async () => {
      const input = await sharp({ create: { width: 400, height: 300, channels: 3, background: "#123456" } })
        .jpeg({ quality: 1 })
        .toBuffer();
      assert.equal((await one(input, { quality: 100 })).isKept, true);
      // ITU-T T.81, table B.1: a sequential frame, Huffman coded, is said to be arithmetically coded.
      input[input.indexOf(Buffer.from([0xff, 0xc0])) + 1] = 0xc9;
      const output = await one(input, { quality: 100 });
      assert.equal(output.isKept, false);
      assert.notEqual(output.file.indexOf(Buffer.from([0xff, 0xc0])), -1);
    });
    test("also where only its metadata make it larger than the output", async () => {
      const input = await sharp(photo).jpeg({ quality: 30, mozjpeg: true }).toBuffer();
      const made = await one(input, { quality: 30, effort: "fast" });
      const comment = Buffer.alloc(4 + 60_000, "a");
      comment.writeUInt16BE(0xfffe, 0);
      comment.writeUInt16BE(2 + 60_000, 2);
      const heavy = Buffer.concat([input.subarray(0, 2), comment, input.subarray(2)]);
      const output = await one(heavy, { quality: 30, effort: "fast" });
      assert.deepEqual([made.isKept, output.isKept], [true, true]);
      assert.deepEqual(output.file, made.file);
    });
    describe("AVIF: the input is kept as it is, byte for byte,", () => {
      const small = (image: Sharp) => image.avif({ quality: 20, effort: 2, chromaSubsampling: "4:2:0" }).toBuffer();
      const picture = () => sharp(photo).resize(300, 200);
      const keep = (input: Buffer, metadata: Recipe["metadata"] = "none") =>
        one(input, { format: "avif", quality: 95, effort: "fast", metadata });
      /** As another encoder could have it: bytes inside of a box of `meta`, which all data lie behind. */
      const grown = (avif: Buffer, within: string[], at: "start" | "end", bytes: Buffer) => {
        const copy = Buffer.from(avif);
        const starts = within.map((type) => copy.indexOf(type, 0, "latin1") - 4);
        const last = starts.at(-1) ?? 0;
        const place = at === "start" ? last + 8 : last + copy.readUInt32BE(last);
        for (const start of starts) copy.writeUInt32BE(copy.readUInt32BE(start) + bytes.length, start);
        const iloc = copy.indexOf("iloc", 0, "latin1");
        // sharp's have one piece each behind a base: its number, where it lies, the base, and how many pieces.
        for (let item = 0; item < copy.readUInt16BE(iloc + 10); item += 1) {
          const base = iloc + 16 + 18 * item;
          copy.writeUInt32BE(copy.readUInt32BE(base) + bytes.length, base);
        }
        return Buffer.concat([copy.subarray(0, place), bytes, copy.subarray(place)]);
      };
      const box = (type: string, body: Buffer = Buffer.alloc(0)) => {
        const head = Buffer.from(`\0\0\0\0${type}`, "latin1");
        head.writeUInt32BE(8 + body.length);
        return Buffer.concat([head, body]);
      };
      const inputs: Record<string, () => Promise<Buffer>> = {
        "of a photograph": () => small(picture()),
        "of what is transparent": () => small(picture().ensureAlpha(0.5)),
        "of greys": () => small(picture().toColourspace("b-w")),
        "with a profile": () => small(picture().withIccProfile("p3")),
      };
      for (const [what, make] of Object.entries(inputs))
        test(what, async () => {
          const input = await make();
          for (const metadata of ["none", "icc", "copyright"] as const) {
            const output = await keep(input, metadata);
            assert.deepEqual([metadata, output.isKept, output.file.equals(input)], [metadata, true, true]);
          }
        });
      const secret = Buffer.from("a secret place");
      const exif = { IFD0: { ImageDescription: "a secret place" } };
      const metadata: Record<string, (image: Sharp) => Sharp> = {
        Exif: (image) => image.withExif(exif),
        XMP: (image) => image.withXmp("<x>a secret place</x>"),
        "Exif and XMP": (image) => image.withExif(exif).withXmp("<x>a secret place</x>"),
      };
      const pictures: Record<string, () => Sharp> = {
        "a photograph": picture,
        "what is transparent": () => picture().ensureAlpha(0.5),
        "what has a profile": () => picture().withIccProfile("p3"),
      };
      for (const [what, add] of Object.entries(metadata))
        for (const [of, make] of Object.entries(pictures))
          test(`but for its ${what} (${of})`, async () => {
            const [bare, input] = [await small(make()), await small(add(make()))];
            assert.ok(input.includes(secret));
            for (const asked of ["none", "icc"] as const) {
              const { isKept, file } = await keep(input, asked);
              assert.deepEqual([isKept, file.includes(secret), file.equals(bare)], [true, false, true]);
            }
          });
      test("but for an Exif that takes more than what the output is larger by", async () => {
        const long = { IFD0: { ImageDescription: "a secret place ".repeat(4_000) } };
        const [bare, input] = [await small(picture()), await small(picture().withExif(long))];
        const { isKept, file } = await keep(input);
        assert.deepEqual([isKept, file.equals(bare)], [true, true]);
      });
      test("but for an Exif that says that it is turned, which it is not", async () => {
        const input = await small(picture().withExif({ IFD0: { ...exif.IFD0, Orientation: "1" } }));
        // Exif 3.0, 4.6.2: the tag, its type, and how many numbers it has.
        const at = input.indexOf(Buffer.from([0x12, 0x01, 3, 0, 1, 0, 0, 0]));
        assert.ok(at > 0);
        input[at + 8] = 6;
        const { isKept, file, width } = await keep(input);
        assert.deepEqual([isKept, file.equals(await small(picture())), width], [true, true, 300]);
        assert.equal((await one(input, { format: "avif", quality: 5 })).width, 300, "nor where it is made anew");
      });
      const u32 = (value: number) => Buffer.from([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
      test("but for Exif before the picture's data or between them, as other encoders have it", async () => {
        const bare = await small(picture().ensureAlpha(0.5));
        const input = await small(picture().ensureAlpha(0.5).withExif(exif));
        const iloc = input.indexOf("iloc", 0, "latin1") + 12;
        // Of each of sharp's items, 18 bytes apart: the base, how many pieces, where the only one lies behind the base, and its length.
        const places = [0, 1, 2].map((item) => ({
          at: iloc + 18 * item + 4,
          from: input.readUInt32BE(iloc + 18 * item + 4),
          length: input.readUInt32BE(iloc + 18 * item + 14),
        }));
        const start = input.indexOf("mdat", 0, "latin1") + 4;
        for (const order of [
          [2, 0, 1],
          [0, 2, 1],
        ]) {
          const other = Buffer.from(input);
          let to = start;
          for (const { at, from, length } of order.flatMap((item) => places[item] ?? [])) {
            input.copy(other, to, from, from + length);
            u32(to).copy(other, at);
            to += length;
          }
          assert.equal(to, input.length);
          const output = await keep(other);
          assert.deepEqual([output.isKept, output.file.includes(secret)], [true, false]);
          assert.deepEqual(await pixels(output.file), await pixels(bare));
          assert.equal(output.bytes, bare.length);
        }
      });
      test("but not where its credits are to stay, nor where its metadata share bytes with the picture", async () => {
        const credited = await small(picture().withExif({ IFD0: { Copyright: "Anna Example" } }));
        assert.equal((await keep(credited, "copyright")).isKept, false);
        const input = await small(picture().withExif(exif));
        const iloc = input.indexOf("iloc", 0, "latin1") + 12;
        const [base, length] = [iloc + 4, iloc + 14];
        const [from, bytes, exifFrom] = [input.readUInt32BE(base), input.readUInt32BE(length), input.readUInt32BE(base + 18)];
        const changed: Record<string, [at: number, value: number][]> = {
          "Exif that begins in the picture": [
            [base + 18, exifFrom - 1],
            [length + 18, input.length - exifFrom + 1],
          ],
          "a picture that ends in the Exif": [[length, bytes + 1]],
          "Exif that is the picture": [
            [base + 18, from],
            [length + 18, bytes],
          ],
          "Exif that lies before all data": [[base + 18, 8]],
          "Exif that goes on behind the end": [[length + 18, input.length]],
        };
        for (const [what, values] of Object.entries(changed)) {
          const copy = Buffer.from(input);
          for (const [at, value] of values) u32(value).copy(copy, at);
          assert.equal(stripMetadata(copy, "avif"), null, what);
        }
        assert.notEqual(stripMetadata(input, "avif"), null);
      });
      test("nor with what turns it, hides something or belongs to nothing", async () => {
        const [plain, transparent] = [await small(picture()), await small(picture().ensureAlpha(0.5))];
        const ALPHA = Buffer.from("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0");
        assert.equal((await keep(grown(plain, ["meta", "hdlr"], "end", Buffer.from("a name\0")))).isKept, true, "a change like these");
        const longer = (avif: Buffer) => {
          const copy = Buffer.concat([avif, secret]);
          const at = copy.indexOf("mdat") - 4;
          copy.writeUInt32BE(copy.readUInt32BE(at) + secret.length, at);
          return copy;
        };
        const changed: Record<string, Buffer> = {
          "bytes behind its end": Buffer.concat([plain, secret]),
          "a box behind its end": Buffer.concat([plain, box("free", secret)]),
          "data that are no item's": longer(plain),
          "a box of its maker's": grown(plain, ["meta"], "end", box("uuid", Buffer.concat([Buffer.alloc(16), secret]))),
          "a description": grown(plain, ["meta", "iprp", "ipco"], "end", box("udes", secret)),
          "a long name of its maker": grown(plain, ["meta", "hdlr"], "end", Buffer.from(`${"a secret place ".repeat(2)}\0`)),
          "a long name of an item": grown(plain, ["meta", "iinf", "infe"], "end", secret),
          "a property of no item": grown(plain, ["meta", "iprp", "ipco"], "end", box("auxC", Buffer.concat([Buffer.alloc(4), ALPHA]))),
          "a long property": grown(plain, ["meta", "iprp", "ipco", "pixi"], "end", secret),
          "more than an item's number": grown(plain, ["meta", "pitm"], "end", secret),
          "more than where the items lie": grown(plain, ["meta", "iloc"], "end", secret),
          "more than what the items have": grown(plain, ["meta", "iprp", "ipma"], "end", secret),
          "a list of many brands": grown(plain, ["ftyp"], "end", Buffer.from("a secret place".repeat(8))),
          "a turn": grown(plain, ["meta", "iprp", "ipco"], "end", box("irot", Buffer.from([1]))),
          "a description beside its Exif": grown(
            await small(picture().withExif(exif)),
            ["meta", "iprp", "ipco"],
            "end",
            box("udes", secret),
          ),
          "a thumbnail": Buffer.from(transparent.toString("latin1").replace("auxl", "thmb"), "latin1"),
        };
        for (const [what, input] of Object.entries(changed)) {
          const output = await keep(input);
          assert.deepEqual([what, output.isKept, output.width], [what, false, 300]);
        }
        // libheif opens no such file.
        assert.equal(stripMetadata(grown(transparent, ["meta", "iref", "auxl"], "end", secret), "avif"), null);
      });
      test("nor where it is cut off or garbled, and that is never found out by reading past its end", async () => {
        const transparent = await small(picture().ensureAlpha(0.5));
        const described = await small(metadata["Exif and XMP"]?.(picture()) ?? picture());
        const end = described.indexOf("mdat", 0, "latin1") + 4;
        assert.equal(stripMetadata(transparent, "avif"), transparent);
        for (const input of [await small(picture()), transparent, described]) {
          for (let length = 0; length < input.length; length += length < end ? 1 : 97)
            assert.equal(stripMetadata(input.subarray(0, length), "avif"), null, `${length} bytes`);
          for (let at = 0; at < end; at += 1)
            for (const value of [0, 1, 0x7f, 0x80, 0xff])
              for (const bytes of [1, 2, 4]) {
                const copy = Buffer.from(input).fill(value, at, Math.min(end, at + bytes));
                const what = `${bytes} bytes of ${value} at ${at}`;
                assert.doesNotThrow(() => stripMetadata(copy, "avif"), what);
                assert.ok(!stripMetadata(copy, "avif")?.includes(secret), what);
              }
        }
      });
    });
    test("what stands behind the end of the picture goes", async () => {
      const input = (await optimal["jpeg"]?.()) ?? Buffer.alloc(0);
      const output = await one(Buffer.concat([input, Buffer.from("a secret place")]), { quality: 100 });
      assert.equal(output.isKept, true);
      assert.deepEqual([output.file.at(-2), output.file.at(-1)], [0xff, 0xd9]);
    });
  });

  describe("of a kept input", () => {
    const secret = Buffer.from("a secret place");
    const segment = (marker: number, ...body: Buffer[]) => {
      const bytes = Buffer.concat([Buffer.from([0xff, marker, 0, 0]), ...body]);
      bytes.writeUInt16BE(bytes.length - 2, 2);
      return bytes;
    };
    const jpegWith = async (...segments: Buffer[]) => {
      const input = await sharp(photo).jpeg({ quality: 30, mozjpeg: true }).toBuffer();
      return Buffer.concat([input.subarray(0, 2), ...segments, input.subarray(2)]);
    };
    const pngWith = async (type: string) => {
      const input = await sharp({ create: { width: 400, height: 300, channels: 3, background: "#123456" } })
        .png({ palette: true, compressionLevel: 9, effort: 10 })
        .toBuffer();
      const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from(type), secret, Buffer.alloc(4)]);
      chunk.writeUInt32BE(secret.length);
      chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4);
      return Buffer.concat([input.subarray(0, 33), chunk, input.subarray(33)]);
    };
    const webpWith = async (type: string) => {
      const input = await sharp(photo).webp({ quality: 20, effort: 6 }).withIccProfile("p3").toBuffer();
      const size = Buffer.alloc(4);
      size.writeUInt32LE(secret.length);
      const file = Buffer.concat([input, Buffer.from(type), size, secret]);
      file.writeUInt32LE(file.length - 8, 4);
      return file;
    };
    const jfif = Buffer.from("JFIF\0\u0001\u0002\u0001\0\u0048\0\u0048", "latin1");
    const hidden: Record<string, () => Promise<Buffer>> = {
      "the thumbnail in a JPEG's JFIF": () => jpegWith(segment(0xe0, jfif, Buffer.from([1, 5]), secret, Buffer.alloc(1))),
      "the thumbnail in a JPEG's JFXX": () =>
        jpegWith(segment(0xe0, jfif, Buffer.alloc(2)), segment(0xe0, Buffer.from("JFXX\0\u0010"), secret)),
      "a PNG's manifest of who made it": () => pngWith("caBX"),
      "what an editor keeps in a PNG": () => pngWith("prVW"),
      "a WebP's manifest of who made it": () => webpWith("C2PA"),
    };
    for (const [what, make] of Object.entries(hidden)) {
      test(`${what} goes, and the pixels stay`, async () => {
        const input = await make();
        const { format } = await sharp(input).metadata();
        const output = await one(input, { format: format as Recipe["format"], quality: 100, effort: "fast", metadata: "icc" });
        assert.equal(output.isKept, true);
        assert.equal(output.file.includes(secret), false);
        assert.deepEqual(await pixels(output.file), await pixels(input));
        const [{ icc, density }, before] = [await sharp(output.file).metadata(), await sharp(input).metadata()];
        assert.deepEqual([icc, density], [before.icc, before.density]);
      });
    }
  });

  describe("metadata", () => {
    const wide = async () =>
      sharp(photo)
        .withIccProfile("p3")
        .withExifMerge({ IFD0: { Copyright: "Anna Example", Artist: "Anna", Model: "a camera" } })
        .toBuffer();
    test("none unless told otherwise: colours become sRGB", async () => {
      const { icc, exif } = await sharp((await one(await wide())).file).metadata();
      assert.deepEqual([icc, exif], [undefined, undefined]);
    });
    test("icc keeps the profile and nothing else", async () => {
      const input = await wide();
      const { icc, exif } = await sharp((await one(input, { metadata: "icc" })).file).metadata();
      assert.equal(exif, undefined);
      assert.deepEqual(icc, (await sharp(input).metadata()).icc);
    });
    test("copyright keeps who made and owns it and nothing else", async () => {
      for (const format of ["jpeg", "webp", "png"] as const) {
        const { icc, exif } = await sharp((await one(await wide(), { metadata: "copyright", format })).file).metadata();
        assert.equal(icc, undefined);
        const { Image: tags = {} } = exifReader(exif ?? Buffer.alloc(0)) as { Image?: Record<string, unknown> };
        assert.deepEqual([tags["Copyright"], tags["Artist"], tags["Model"]], ["Anna Example", "Anna", undefined], format);
      }
    });
    /** The raw bytes of both, so that nothing of the code under test says what they are. */
    const credits = (exif: Buffer | undefined) => {
      const { Image: tags = {} } = exifReader(exif ?? Buffer.alloc(0)) as { Image?: Record<string, string | Buffer> };
      return ["Copyright", "Artist"].map((tag) =>
        Buffer.from(tags[tag] ?? "")
          .toString("utf8")
          .replace(/\0$/, ""),
      );
    };
    /** An image with these bytes in its Exif, which sharp would turn into ASCII. */
    const withCredits = async (format: "jpeg" | "webp" | "png" | "avif", copyright: Buffer, artist: Buffer) => {
      const [c, a] = ["C".repeat(copyright.length), "A".repeat(artist.length)];
      const made = sharp(photo)
        .resize(300, 200)
        .withExif({ IFD0: { Copyright: c, Artist: a, Model: "a camera" } });
      const input = await made.toFormat(format, { quality: 80, effort: 2 }).toBuffer();
      for (const [from, to] of [
        [c, copyright],
        [a, artist],
      ] as const)
        to.copy(input, input.indexOf(`${from}\0`));
      if (format === "png") input.writeUInt32BE(exifChecksum(input).computed, exifChecksum(input).at);
      return input;
    };
    const exifChecksum = (png: Buffer) => {
      const type = png.indexOf("eXIf");
      const at = type + 4 + png.readUInt32BE(type - 4);
      return { computed: crc32(png.subarray(type, at)), written: png.readUInt32BE(at), at };
    };
    for (const format of ["jpeg", "webp", "png", "avif"] as const) {
      test(`copyright keeps letters of every script, from ${format} to every format`, async () => {
        const input = await withCredits(format, Buffer.from("© Müller GmbH 商品"), Buffer.from("Jörg"));
        for (const to of ["jpeg", "webp", "png", "avif"] as const) {
          const { file } = await one(input, { metadata: "copyright", format: to, effort: "fast" });
          const { exif, width } = await sharp(file).metadata();
          assert.deepEqual([to, ...credits(exif), width], [to, "© Müller GmbH 商品", "Jörg", 300]);
          assert.equal(file.includes("a camera"), false);
          if (to === "png") assert.equal(exifChecksum(file).written, exifChecksum(file).computed);
        }
      });
    }
    test("copyright keeps what a TIFF says, which has it among its own tags", async () => {
      const tiff = await sharp(photo).resize(300, 200).tiff({ compression: "none" }).toBuffer();
      // TIFF 6.0, 2: a directory is written anew behind the file, with two texts more, and the header leads to it.
      const [from, texts] = [tiff.readUInt32LE(4), [Buffer.from("Jörg\0"), Buffer.from("© Müller GmbH\0")]];
      const entries = Array.from({ length: tiff.readUInt16LE(from) }, (_, index) =>
        tiff.subarray(from + 2 + 12 * index, from + 14 + 12 * index),
      );
      let at = tiff.length;
      for (const [index, text] of texts.entries()) {
        const entry = Buffer.alloc(12);
        entry.writeUInt16LE([0x01_3b, 0x82_98][index] ?? 0);
        entry.writeUInt16LE(2, 2);
        entry.writeUInt32LE(text.length, 4);
        entry.writeUInt32LE(at, 8);
        at += text.length;
        entries.push(entry);
      }
      entries.sort((one, other) => one.readUInt16LE() - other.readUInt16LE());
      tiff.writeUInt32LE(at, 4);
      const count = Buffer.from([entries.length, 0]);
      const { file } = await one(Buffer.concat([tiff, ...texts, count, ...entries, Buffer.alloc(4)]), { metadata: "copyright" });
      assert.deepEqual(credits((await sharp(file).metadata()).exif), ["© Müller GmbH", "Jörg"]);
    });
    for (const order of ["little", "big"] as const)
      test(`copyright of ${order}-endian Exif stays, and no thumbnail, which may show what was cut off`, async () => {
        // Exif 3.0, 4.5 and 4.6: IFD0 with a copyright, IFD1 with a thumbnail.
        const thumbnail = Buffer.concat([
          Buffer.from([0xff, 0xd8]),
          Buffer.from("a secret place"),
          Buffer.alloc(30_000, 7),
          Buffer.from([0xff, 0xd9]),
        ]);
        const ordered = (bytes: Buffer) => (order === "little" ? Buffer.from(bytes.toReversed()) : bytes);
        const u16 = (value: number) => ordered(Buffer.from([value >> 8, value & 255]));
        const u32 = (value: number) => ordered(Buffer.from([value >> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255]));
        const entry = (tag: number, type: number, length: number, value: Buffer) =>
          Buffer.concat([u16(tag), u16(type), u32(length), value]);
        const directory = (next: number, ...entries: Buffer[]) => Buffer.concat([u16(entries.length), ...entries, u32(next)]);
        const block = Buffer.concat([
          Buffer.from(`Exif\0\0${order === "little" ? "II" : "MM"}`),
          u16(42),
          u32(8),
          directory(32, entry(0x82_98, 2, 6, u32(26))),
          Buffer.from("Zoë!\0"),
          directory(
            0,
            entry(0x01_03, 3, 1, Buffer.concat([u16(6), u16(0)])),
            entry(0x02_01, 4, 1, u32(74)),
            entry(0x02_02, 4, 1, u32(thumbnail.length)),
          ),
          thumbnail,
        ]);
        const header = Buffer.from([0xff, 0xd8, 0xff, 0xe1, 0, 0]);
        header.writeUInt16BE(block.length + 2, 4);
        const input = Buffer.concat([header, block, photo.subarray(2)]);
        for (const format of ["jpeg", "webp", "png", "avif"] as const) {
          const { file } = await one(input, { metadata: "copyright", format, effort: "fast" });
          assert.equal(file.includes("a secret place"), false, format);
          const { exif } = await sharp(file).metadata();
          assert.deepEqual([format, ...credits(exif)], [format, "Zoë!", ""]);
          assert.equal((exifReader(exif ?? Buffer.alloc(0)) as { Thumbnail?: unknown }).Thumbnail, undefined);
          if (format === "png") assert.equal(exifChecksum(file).written, exifChecksum(file).computed);
        }
      });
    describe("copyright of an input that was compressed well before", () => {
      const small: Record<string, (image: Sharp) => Sharp> = {
        jpeg: (image) => image.jpeg({ quality: 20, mozjpeg: true }),
        png: (image) => image.png({ palette: true, colours: 16, compressionLevel: 9, effort: 10 }),
        webp: (image) => image.webp({ quality: 10, effort: 6 }),
        "webp without loss": (image) => image.png({ palette: true, colours: 16 }).webp({ lossless: true, effort: 6 }),
        "webp, transparent, without loss": (image) => image.ensureAlpha(0.5).webp({ lossless: true, effort: 6 }),
        "webp, transparent": (image) => image.ensureAlpha(0.5).webp({ quality: 10, effort: 6 }),
        "webp with a profile": (image) => image.withIccProfile("p3").webp({ quality: 10, effort: 6 }),
      };
      const keep = async (input: Buffer, format: string, metadata: Recipe["metadata"]) =>
        one(input, { format: format as Recipe["format"], metadata, quality: 100, effort: "fast" });
      for (const [what, make] of Object.entries(small)) {
        const format = what.replace(/\W.*/, "");
        test(`is kept with it, and with nothing else (${what})`, async () => {
          const flat = sharp({ create: { width: 301, height: 203, channels: 3, background: "#123456" } });
          const picture = what.includes("without loss") ? flat : sharp(photo).resize(301, 203);
          const bare = await make(picture.clone()).toBuffer();
          const exif = { Copyright: "Anna Example", Artist: "Bo", Model: "a camera" };
          const full = await make(picture.clone().withExif({ IFD0: exif })).toBuffer();
          const secret = full.indexOf("a camera");
          assert.ok(secret > 0);
          for (const input of [bare, full]) {
            const output = await keep(input, format, "copyright");
            assert.equal(output.isKept, true);
            const { exif: block, ...kept } = await sharp(output.file, { failOn: "warning" }).metadata();
            assert.deepEqual(await pixels(output.file), await pixels(input));
            assert.equal(output.file.includes("a camera"), false);
            const { hasAlpha, icc, width, height } = await sharp(input).metadata();
            assert.deepEqual([kept.hasAlpha, kept.icc, kept.width, kept.height], [hasAlpha, icc, width, height]);
            if (input === bare) assert.deepEqual([block, output.file], [undefined, (await keep(input, format, "none")).file]);
            else assert.deepEqual(credits(block), ["Anna Example", "Bo"]);
            if (block && format === "png") assert.equal(exifChecksum(output.file).written, exifChecksum(output.file).computed);
            assert.equal(await keep(output.file, format, "copyright").then(({ file }) => file.equals(output.file)), true, "and again");
          }
        });
      }
      test("is kept with it in letters of every script", async () => {
        const input = await withCredits("jpeg", Buffer.from("© 商品"), Buffer.from("é"));
        const output = await keep(input, "jpeg", "copyright");
        assert.equal(output.isKept, true);
        assert.deepEqual(credits((await sharp(output.file).metadata()).exif), ["© 商品", "é"]);
      });
    });
    test("copyright in Latin-1, as older cameras write it, becomes UTF-8", async () => {
      const input = await withCredits("jpeg", Buffer.from("\u00a9 M\u00fcller", "latin1"), Buffer.from("\u00fc", "latin1"));
      const { exif } = await sharp((await one(input, { metadata: "copyright" })).file).metadata();
      assert.deepEqual(credits(exif), ["© Müller", "ü"]);
    });
    test("copyright is cut after 1,000 characters, whatever they are", async () => {
      const input = await withCredits("jpeg", Buffer.from("商".repeat(1_200)), Buffer.from("😀".repeat(1_001)));
      const { exif } = await sharp((await one(input, { metadata: "copyright", format: "webp" })).file).metadata();
      assert.deepEqual(credits(exif), ["商".repeat(1_000), "😀".repeat(1_000)]);
    });
    test("copyright of a large image, which is written piece by piece, is the same", async () => {
      const input = await withCredits("jpeg", Buffer.from("© 商品"), Buffer.from("Jörg"));
      const { exif: block } = await sharp(input).metadata();
      assert.ok(block);
      const large = await makeSamplePhoto({ width: 2000, height: 1500, seed: 3, format: "jpeg" });
      const header = Buffer.from([0xff, 0xd8, 0xff, 0xe1, 0, 0]);
      header.writeUInt16BE(block.length + 2, 4);
      for (const format of ["jpeg", "webp", "png"] as const) {
        const { file } = await one(Buffer.concat([header, block, large.subarray(2)]), { metadata: "copyright", format, effort: "fast" });
        assert.deepEqual([format, ...credits((await sharp(file).metadata()).exif)], [format, "© 商品", "Jörg"]);
      }
    });
    test("that cannot be read is no fault of the image", async () => {
      const broken = Buffer.from(await wide());
      const at = broken.indexOf("Exif\0\0");
      broken.fill(0xee, at + 14, at + 40);
      assert.equal((await one(broken, { metadata: "copyright" })).format, "jpeg");
    });
  });

  describe("a JPEG without its end", () => {
    const END_BYTES = 2;
    const cases = [
      { what: "baseline", progressive: false },
      { what: "progressive", progressive: true },
    ];
    for (const { what, progressive } of cases)
      test(`is taken where every pixel has come (${what})`, async () => {
        for (const width of [1200, 2400]) {
          const whole = await sharp(photo)
            .resize(width)
            .jpeg({ progressive })
            .withExif({ IFD0: { Orientation: "6" } })
            .toBuffer();
          const outputs = [{ name: "main" }, { name: "thumb", width: 100 }];
          const expected = await encode(whole, { outputs });
          for (const cut of [1, END_BYTES]) {
            const made = await encode(whole.subarray(0, -cut), { outputs });
            assert.ok(made.every(({ file }, index) => file.equals(expected[index]?.file ?? Buffer.alloc(0))));
          }
          for (const cut of [END_BYTES + 1, END_BYTES + 100])
            await assert.rejects(encode(whole.subarray(0, -cut), { outputs }), /premature end of JPEG image/);
        }
      });
  });

  test("more effort makes smaller files in every format", async () => {
    for (const format of ["jpeg", "webp"] as const) {
      const bytes: number[] = [];
      for (const effort of ["fast", "balanced", "small"] as const) bytes.push((await one(photo, { format, effort, quality: 75 })).bytes);
      const [fast = 0, balanced = 0, small = 0] = bytes;
      assert.ok(fast > balanced && balanced > small, `${format}: ${bytes.join(" ")}`);
    }
  });

  test("a drawing is drawn, where it is switched on", async () => {
    const circle = '<circle cx="60" cy="40" r="30" fill="red"/>';
    const drawings = [
      `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 80">${circle}</svg>`,
      // As Illustrator writes it.
      `<!DOCTYPE svg PUBLIC "x" "y" [ <!ENTITY ns_svg "http://www.w3.org/2000/svg"> ]>\n<svg xmlns="&ns_svg;" viewBox="0 0 120 80">${circle}</svg>`,
    ];
    for (const drawing of drawings) {
      const output = await one(Buffer.from(drawing), { format: "auto" });
      assert.deepEqual([output.format, output.width, output.height], ["webp", 120, 80]);
    }
  });
});
