import assert from "node:assert/strict";
import { deflateSync, crc32 } from "node:zlib";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import sharp from "sharp";
import { windowOn } from "../../src/image/headers/byte-window.ts";
import { countMarks } from "../../src/image/headers/count-marks.ts";
import { inspectImage } from "../../src/image/inspect.ts";
import { createTestFolder } from "../support/folder.ts";
import { animatedWebp, avifGrid, avifOfPieces, blackTiff, progressiveJpeg, type BlackTiff } from "../support/hostile-files.ts";

const PIXELS_MAX = 100_000_000;
/** What a download has in memory of a file. */
const HEAD_BYTES = 16 * 1024;

/** A PNG that says it has this size and holds no pixels. */
function pngClaiming(width: number, height: number, ...more: Buffer[]): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from("\u0089PNG\r\n\u001A\n", "latin1"),
    chunk("IHDR", header),
    ...more,
    chunk("IDAT", deflateSync(Buffer.alloc(64))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

describe("a look at the bytes", () => {
  let folder: string;
  let count = 0;
  before(async () => {
    folder = await createTestFolder();
  });

  /** `headBytes`: how much of the file is in memory; the rest is read from the disk. */
  const inspect = async (bytes: Buffer, headBytes = bytes.length, contentType: string | null = null) => {
    count += 1;
    const path = join(folder, String(count));
    await writeFile(path, bytes);
    const input = { head: bytes.subarray(0, headBytes), path, bytes: bytes.length, contentType };
    return inspectImage(input, { pixelsMax: PIXELS_MAX, allowSvg: false });
  };
  const codeOf = async (bytes: Buffer, contentType: string | null = null) => {
    const result = await inspect(bytes, Math.min(bytes.length, HEAD_BYTES), contentType);
    return result.ok ? "ok" : result.failure.code;
  };
  const picture = () => sharp({ create: { width: 123, height: 77, channels: 3, background: "#aa5500" } });

  test("finds type and size of every format we take, also where the headers are not in memory", async () => {
    const files = {
      jpeg: await picture().jpeg().toBuffer(),
      png: await picture().png().toBuffer(),
      webp: await picture().webp().toBuffer(),
      avif: await picture().avif({ effort: 0 }).toBuffer(),
      gif: await picture().gif().toBuffer(),
      tiff: await picture().tiff().toBuffer(),
    };
    for (const [format, bytes] of Object.entries(files)) {
      for (const headBytes of [bytes.length, 64]) {
        const result = await inspect(bytes, headBytes);
        assert.ok(result.ok, `${format}: ${JSON.stringify(result)}`);
        assert.deepEqual([result.value.format, result.value.width, result.value.height], [format, 123, 77]);
      }
    }
    for (const other of [
      await picture().webp({ lossless: true }).toBuffer(),
      await picture().ensureAlpha(0.5).webp().toBuffer(),
      await picture().jpeg({ progressive: true }).toBuffer(),
      await picture().withMetadata({ icc: "p3", orientation: 6 }).jpeg().toBuffer(),
    ]) {
      const result = await inspect(other);
      assert.ok(result.ok);
      assert.deepEqual(
        [result.value.width, result.value.height].toSorted((a, b) => a - b),
        [77, 123],
      );
    }
  });

  test("refuses what claims too many pixels before anything decodes it", async () => {
    const small = pngClaiming(30_000, 30_000);
    assert.ok(small.length < 200);
    assert.equal(await codeOf(small), "too_many_pixels");
    assert.equal(await codeOf(pngClaiming(10_000, 10_000)), "ok");
    assert.equal(await codeOf(pngClaiming(10_001, 10_000)), "too_many_pixels");
    assert.equal(await codeOf(pngClaiming(0, 10)), "corrupt_image");
    const gif = Buffer.from(await picture().gif().toBuffer());
    gif.writeUInt16LE(65_535, 6);
    gif.writeUInt16LE(65_535, 8);
    assert.equal(await codeOf(gif), "too_many_pixels");
  });

  test("names what is no image, from its bytes and not from what it calls itself", async () => {
    const cases: [string, Buffer, string][] = [
      ["nothing", Buffer.alloc(0), "not_an_image"],
      ["text", Buffer.from("hello"), "not_an_image"],
      ["zeros", Buffer.alloc(1_000), "not_an_image"],
      ["a page", Buffer.from("<!DOCTYPE html><html>"), "html_page"],
      ["a page after a comment, a mark and blanks", Buffer.from("\uFEFF \n<!-- hello -->\n<HTML lang=en>"), "html_page"],
      ["SVG", Buffer.from('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'), "unsupported_format"],
      ["PDF", Buffer.from("%PDF-1.7\n"), "unsupported_format"],
      ["BMP", Buffer.concat([Buffer.from("BM"), Buffer.alloc(60)]), "unsupported_format"],
      ["HEIC", Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from("ftypheic"), Buffer.alloc(60)]), "unsupported_format"],
    ];
    for (const [name, bytes, code] of cases) assert.equal(await codeOf(bytes), code, name);
  });

  test("knows a page whatever stands before it, and by whichever tag it begins", async () => {
    const page = "<!DOCTYPE html><html><body>Please sign in</body></html>";
    const licence = `<!--\n${"The licence of a template. ".repeat(100)}\n-->`;
    const utf16 = Buffer.from(`\uFEFF${page}`, "utf16le");
    const pages = [
      " ".repeat(1_010) + page,
      "\r\n".repeat(520) + page,
      "\n".repeat(HEAD_BYTES - 100) + page,
      licence + page,
      `${licence}\n${licence}<?xml version="1.0"?>\n${licence}${page}`,
      `<!-->${page}`,
      `<!--${"x".repeat(2 * HEAD_BYTES)}-->${page}`,
      `<?xml version="1.0"?><!DOCTYPE x:html><x:html xmlns:x="http://www.w3.org/1999/xhtml"/>`,
      `<x:html xmlns:x="http://www.w3.org/1999/xhtml"/>`,
      "<!doctypehtml>",
      ...["font color=red", "b", "br /", "br/", "center", "h1", "h2", "h6", "form action=/login", "span", "img src=x", "P", "A HREF=/"].map(
        (tag) => `<${tag}>Access denied`,
      ),
    ].map((text) => Buffer.from(text));
    for (const bytes of [...pages, utf16, utf16.subarray(0, -1), Buffer.from(utf16).swap16()])
      assert.equal(await codeOf(bytes, "image/jpeg"), "html_page", bytes.toString("latin1", 0, 80));
    const others = [
      "<rss><channel/></rss>",
      '<?xml version="1.0"?><urlset/>',
      "<!-- feed --><feed/>",
      "<bold>",
      "<image/>",
      '{"b":"<br>"}',
    ];
    for (const text of [...others, "\n".repeat(2 * HEAD_BYTES), `<?xml version="1.0"?><!--${"x".repeat(2 * HEAD_BYTES)}--><svg/>`])
      assert.equal(await codeOf(Buffer.from(text), "image/jpeg"), "not_an_image", text.slice(0, 80));
    const drawing = Buffer.from(`${licence}<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"/>`);
    assert.equal(await codeOf(drawing), "unsupported_format");
    const taken = await inspectImage({ head: drawing, path: "", bytes: drawing.length }, { pixelsMax: PIXELS_MAX, allowSvg: true });
    assert.deepEqual(taken.ok && [taken.value.format, taken.value.width], ["svg", 30]);
  });

  test("takes for a page what its server calls one, unless its bytes are those of something else", async () => {
    const text = Buffer.from("Session expired. Please log in.");
    for (const type of [
      "text/html",
      "TEXT/HTML; charset=utf-8",
      " text/html ;charset=utf-8",
      "application/xhtml+xml",
      "text/html, text/html",
    ])
      assert.equal(await codeOf(text, type), "html_page", type);
    for (const type of ["text/plain", "text/htmlx", "text/xml", "application/json; of=text/html", "image/jpeg", "", null])
      assert.equal(await codeOf(text, type), "not_an_image", `${type}`);
    for (const bytes of [
      await picture().jpeg().toBuffer(),
      await picture().webp().toBuffer(),
      await picture().avif({ effort: 0 }).toBuffer(),
    ])
      assert.equal(await codeOf(bytes, "text/html"), "ok");
    for (const named of ['<svg xmlns="http://www.w3.org/2000/svg"/>', "%PDF-1.7\n"])
      assert.equal(await codeOf(Buffer.from(named), "text/html"), "unsupported_format");
    assert.equal(await codeOf(Buffer.alloc(0), "text/html"), "not_an_image");
  });

  test("says what a file is that is whole and cannot be taken", async () => {
    const brands = (...names: string[]) => {
      const [major = "", ...others] = names;
      const box = Buffer.from(`\0\0\0\0ftyp${major}\0\0\0\0${others.join("")}`);
      box.writeUInt32BE(box.length);
      return Buffer.concat([box, Buffer.alloc(60)]);
    };
    const cases: [Buffer, RegExp][] = [
      [brands("mif1", "mif1", "miaf", "heic"), /is a HEIC photograph, which needs a patented decoder/],
      [brands("msf1", "msf1", "hevc"), /is a HEIC photograph, which needs a patented decoder/],
      [brands("heim", "mif1"), /is a HEIC photograph, which needs a patented decoder/],
      [brands("mif1", "mif1"), /is a HEIF image/],
      [brands("avis", "avif", "avis", "mif1"), /is an animated AVIF/],
      [brands("qt  "), /is a QuickTime film/],
      [
        Buffer.from('<?xml version="1.0"?><!DOCTYPE svg [ <!ENTITY ns_svg "http://www.w3.org/2000/svg"> ]><svg xmlns="&ns_svg;"/>'),
        /is an SVG/,
      ],
      [Buffer.from('<svg:svg xmlns:svg="http://www.w3.org/2000/svg"/>'), /is an SVG/],
      [Buffer.concat([Buffer.from("ffd8fff7000b08", "hex"), Buffer.alloc(60)]), /is a JPEG-LS image/],
      [Buffer.concat([Buffer.from([0, 0, 1, 0, 1, 0]), Buffer.alloc(60)]), /is a Windows icon/],
      // A TGA: nothing in it says what it is.
      [Buffer.concat([Buffer.from([0, 0, 2, 0]), Buffer.alloc(60)]), /are those of no image format/],
    ];
    for (const [head, sentence] of cases) {
      const result = await inspectImage({ head, path: "", bytes: head.length }, { pixelsMax: 1e8, allowSvg: false });
      assert.match(result.ok ? "ok" : (result.failure.detail ?? ""), sentence);
    }
  });

  test("finds the size of a JPEG behind bytes that are no segment, as decoders do", async () => {
    const whole = await sharp({ create: { width: 21, height: 13, channels: 3, background: "#336699" } })
      .jpeg()
      .toBuffer();
    const after = 4 + whole.readUInt16BE(4);
    for (const stray of [
      Buffer.alloc(1),
      Buffer.alloc(16, 7),
      Buffer.from([0xff, 0]),
      Buffer.alloc(200_000),
      Buffer.from([0, 0xff, 0, 0xff]),
    ]) {
      const file = Buffer.concat([whole.subarray(0, after), stray, whole.subarray(after)]);
      const found = await inspect(file);
      assert.deepEqual(found.ok && [found.value.width, found.value.height], [21, 13], `${stray.length} bytes`);
      await assert.doesNotReject(sharp(file, { failOn: "error" }).raw().toBuffer());
    }
    assert.equal(await codeOf(Buffer.concat([whole.subarray(0, after), Buffer.alloc(200_000)])), "corrupt_image");
  });

  test("says what a TIFF holds that would be shown wrongly, and takes all else", async () => {
    const tiff = (rest: Partial<BlackTiff>) => blackTiff({ width: 8, height: 8, ...rest });
    const [signed, floating, yCbCr, lab, iccLab] = [2, 3, 6, 8, 9];
    const unread: [Partial<BlackTiff>, RegExp][] = [
      ...[16, 32, 64].flatMap((bits): [Partial<BlackTiff>, RegExp][] =>
        [1, 3, 4].map((samples) => [
          { bits, samples, sampleFormat: floating },
          /^The TIFF holds floating-point numbers, which do not say how light/,
        ]),
      ),
      ...[8, 16, 32].map((bits): [Partial<BlackTiff>, RegExp] => [{ bits, sampleFormat: signed }, /holds signed numbers/]),
      [{ bits: 32, samples: 1 }, /holds greys of 32 bits; 8 and 16 are supported/],
      [{ bits: 32 }, /holds colours of 32 bits/],
      [{ bits: 4 }, /holds colours of 4 bits/],
      [{ photometric: lab }, /holds CIELab colours, which are supported in 16 bits and without transparency/],
      [{ photometric: lab, bits: 16, samples: 4 }, /holds CIELab colours/],
      [{ photometric: yCbCr }, /holds YCbCr colours, which are supported where they are compressed as JPEG/],
      [{ photometric: yCbCr, isDeflated: false }, /holds YCbCr colours/],
      [{ photometric: yCbCr, isPlanar: true }, /holds YCbCr colours/],
      [{ photometric: iccLab }, /holds colours of a kind that is not supported \(PhotometricInterpretation 9\)/],
    ];
    for (const [rest, sentence] of unread) {
      const result = await inspect(tiff(rest));
      assert.ok(!result.ok, JSON.stringify(rest));
      assert.equal(result.failure.code, "unsupported_format");
      assert.match(result.failure.detail, sentence);
    }
    const taken: Partial<BlackTiff>[] = [
      ...[1, 2, 4, 8, 16].map((bits) => ({ bits, samples: 1, photometric: 0 })),
      ...[8, 16].flatMap((bits) => [1, 3, 4].map((samples) => ({ bits, samples, sampleFormat: 1 }))),
      { bits: 16, photometric: lab, sampleFormat: signed },
      { samples: 4, photometric: 5 },
    ];
    assert.equal(await codeOf(await picture().tiff({ compression: "jpeg" }).toBuffer()), "ok", "YCbCr as JPEG has it");
    for (const rest of taken) {
      const file = tiff(rest);
      assert.equal(await codeOf(file), "ok", JSON.stringify(rest));
      await assert.doesNotReject(sharp(file, { failOn: "error" }).toColourspace("srgb").raw().toBuffer(), JSON.stringify(rest));
    }
  });

  test("says of HDR colours that they would be shown wrongly, unless the picture has others as well", async () => {
    const [bt709, bt2020, sRgb, pq, hlg] = [1, 9, 13, 16, 18];
    const png = (primaries: number, transfer: number) => pngClaiming(8, 8, chunk("cICP", Buffer.from([primaries, transfer, 0, 1])));
    const plain = await picture().avif({ effort: 0 }).toBuffer();
    // What follows moves, which nothing but a decoder minds.
    const avif = (...colours: [primaries: number, transfer: number][]) => {
      const boxes = colours.map((numbers) =>
        Buffer.from([0, 0, 0, 19, ...Buffer.from("colrnclx"), ...numbers.flatMap((n) => [0, n]), 0, 1, 0x80]),
      );
      const at = plain.indexOf("ispe") + 16;
      return Buffer.concat([plain.subarray(0, at), ...boxes, plain.subarray(at)]);
    };
    for (const file of [png(bt2020, pq), png(bt2020, hlg), avif([bt2020, pq]), avif([bt2020, hlg])]) {
      const result = await inspect(file);
      assert.ok(!result.ok);
      assert.equal(result.failure.code, "unsupported_format");
      assert.match(result.failure.detail, /^The (PNG|AVIF) holds colours brighter than white \(HDR, by PQ or HLG\)/);
    }
    for (const [primaries, transfer] of [
      [4, sRgb],
      [11, sRgb],
      [bt709, 10],
      [bt709, 17],
    ] as const) {
      const result = await inspect(png(primaries, transfer));
      assert.ok(!result.ok);
      const sentence = `The PNG holds colours of a kind that is not read (primaries ${primaries}, transfer ${transfer} of ITU-T H.273)`;
      assert.deepEqual([result.failure.code, result.failure.detail.startsWith(sentence)], ["unsupported_format", true]);
    }
    for (const file of [png(bt709, sRgb), avif([bt709, sRgb]), avif([bt709, sRgb], [bt2020, pq])]) assert.equal(await codeOf(file), "ok");
  });

  test("finds what a PNG says of its colours in its chunks before the picture, however long they are, and in no text", async () => {
    const [bt709, bt2020, displayP3, sRgb, pq] = [1, 9, 12, 13, 16];
    const cicp = (primaries: number, transfer: number) => chunk("cICP", Buffer.from([primaries, transfer, 0, 1]));
    const gama = chunk("gAMA", Buffer.from([0, 1, 0x86, 0xa0]));
    const text = (bytes: Buffer) => chunk("tEXt", Buffer.concat([Buffer.from("Comment\0"), bytes]));
    const coloursOf = async (...chunks: Buffer[]) => {
      const result = await inspect(pngClaiming(8, 8, ...chunks), 256);
      return result.ok ? [result.value.numbered?.primaries, result.value.gamma] : result.failure.code;
    };
    for (const length of [0, 300, HEAD_BYTES, 100_000]) {
      const before = text(Buffer.alloc(length, "x"));
      assert.deepEqual(await coloursOf(before, cicp(displayP3, sRgb)), [displayP3, undefined], `${length} bytes`);
      assert.deepEqual(await coloursOf(before, gama), [undefined, 2.2], `${length} bytes`);
      assert.equal(await coloursOf(before, cicp(bt2020, pq)), "unsupported_format", `${length} bytes`);
    }
    assert.deepEqual(await coloursOf(text(cicp(bt2020, pq)), gama), [undefined, 2.2]);
    assert.deepEqual(await coloursOf(text(gama)), [undefined, undefined]);
    const behind = chunk("IDAT", Buffer.alloc(4));
    assert.deepEqual(await coloursOf(behind, cicp(displayP3, sRgb)), [undefined, undefined], "behind the picture");
    const many = (count: number) => Array.from({ length: count }, () => text(Buffer.alloc(0)));
    assert.deepEqual(await coloursOf(...many(900), cicp(displayP3, sRgb)), [displayP3, undefined]);
    assert.deepEqual(await coloursOf(...many(1_100), cicp(displayP3, sRgb)), [undefined, undefined], "more than any has");
    const profile = chunk("iCCP", Buffer.from("p\0\0"));
    assert.deepEqual(await coloursOf(cicp(11, sRgb), profile), [undefined, undefined], "by the profile");
    assert.deepEqual(await coloursOf(profile, cicp(bt709, 17)), [undefined, undefined], "by the profile");
    assert.equal(await coloursOf(profile, cicp(bt2020, pq)), "unsupported_format");
  });

  test("is not kept busy by a body of nothing but comments", async () => {
    const startedAt = performance.now();
    assert.equal(await codeOf(Buffer.from(`${"<!---->".repeat(500)}x`)), "not_an_image");
    assert.equal(await codeOf(Buffer.from(`${"<!-- a --> ".repeat(20)}<svg xmlns="x">`)), "unsupported_format");
    const pieces = ["<!--", "<!---->", "<!-- -->\n", " ", "\n", "<?", "<?xml>", "<", "<!", "-", "a:", "<!doctype ", "<!doctype\n\n"];
    for (const beginning of ["", "<", "<!doctype", "<!--", "<?xml ", "\uFEFF"])
      for (const piece of pieces) await codeOf(Buffer.from(beginning + piece.repeat(HEAD_BYTES / piece.length)));
    assert.ok(performance.now() - startedAt < 500);
  });

  test("is not kept busy by a drawing whose tags never end, and still finds the size of one that does", async () => {
    const look = (text: string) => {
      const head = Buffer.from(text);
      return inspectImage({ head, path: "", bytes: head.length }, { pixelsMax: PIXELS_MAX, allowSvg: true });
    };
    const startedAt = performance.now();
    for (let round = 0; round < 60; round += 1) assert.ok(!(await look(`<svg ${"<svg".repeat(HEAD_BYTES / 4 - 2)}`)).ok);
    assert.ok(performance.now() - startedAt < 500, `${performance.now() - startedAt} ms`);
    const taken = await look('<!DOCTYPE svg><SVG\nviewBox="0 0 30.2 20">');
    assert.deepEqual(taken.ok && [taken.value.width, taken.value.height], [31, 20]);
  });

  test("takes the fewer scans of a JPEG the more pixels each goes over", async () => {
    const scansOf = async (width: number, height: number, scans: number) => {
      const result = await inspect(progressiveJpeg({ width, height, scans }), 256);
      return result.ok ? "ok" : `${result.failure.code}: ${result.failure.detail}`;
    };
    for (const [width, height, max] of [
      [80, 60, 100],
      [5_000, 5_000, 100],
      [10_000, 5_000, 50],
      [10_000, 10_000, 25],
    ] as const) {
      assert.equal(await scansOf(width, height, max), "ok");
      assert.equal(
        await scansOf(width, height, max + 1),
        `corrupt_image: The JPEG of ${width} x ${height} pixels comes in more than ${max} scans, each of which goes over all of them; ` +
          `at most ${max} are allowed, and photographs have some ten. Save it as a baseline one.`,
      );
    }
  });

  test("refuses a WebP of more frames than any animation has, and leaves a still one alone", async () => {
    const frame = Buffer.from("ANMF");
    assert.equal(await codeOf(animatedWebp(10_000)), "ok");
    const refused = await inspect(animatedWebp(10_001), HEAD_BYTES);
    assert.ok(!refused.ok);
    assert.equal(refused.failure.code, "corrupt_image");
    assert.match(refused.failure.detail, /more than 10,000 frames.*at most 10,000.*its first frame alone/);
    const still = await picture().webp().toBuffer();
    assert.equal(await codeOf(Buffer.concat([still, Buffer.alloc(4 * 20_000, frame)])), "ok", "no animation");
  });

  test("refuses an AVIF whose items have more of the file together than there is, and no other", async () => {
    const tile = await sharp({ create: { width: 64, height: 64, channels: 3, background: "#336699" } })
      .avif({ effort: 0 })
      .toBuffer();
    const fillerBytes = 5e6;
    for (const more of [{ pieces: 2 }, { pieces: 1, exifs: 2 }]) {
      const refused = await inspect(avifOfPieces(tile, { fillerBytes, ...more }), HEAD_BYTES);
      assert.ok(!refused.ok);
      assert.equal(refused.failure.code, "corrupt_image");
      assert.match(refused.failure.detail, /they have 10\.0 MB together, of a file of 5\.0 MB, which is the most\. Save it anew\.$/);
    }
    for (const fair of [{ pieces: 1 }, { pieces: 1, exifs: 1 }, { pieces: 0 }])
      assert.equal(await codeOf(avifOfPieces(tile, { fillerBytes, ...fair })), "ok");
    const grid = avifGrid(tile, { rows: 20, columns: 20, tileSize: [64, 64], claimed: [1280, 1280] });
    assert.equal(await codeOf(grid), "ok", "tiles that are alike share their data");
  });

  test("takes the AVIFs of encoders, with all that they can have", async () => {
    const noise = sharp({
      create: { width: 300, height: 200, channels: 3, background: "black", noise: { type: "gaussian", mean: 128, sigma: 60 } },
    });
    const files = [
      await noise.clone().avif({ effort: 0 }).toBuffer(),
      await noise.clone().avif({ effort: 0, bitdepth: 10, chromaSubsampling: "4:4:4" }).toBuffer(),
      await noise.clone().ensureAlpha(0.5).avif({ effort: 0 }).toBuffer(),
      await noise
        .clone()
        .withIccProfile("p3")
        .withExif({ IFD0: { Copyright: "c".repeat(2_000) } })
        .withXmp(`<x>${"x".repeat(5_000)}</x>`)
        .avif({ effort: 0 })
        .toBuffer(),
    ];
    for (const file of files) for (const headBytes of [file.length, 64]) assert.ok((await inspect(file, headBytes)).ok);
  });

  test("follows an AVIF to what says where its items lie, in each form that this may have", async () => {
    const tile = await sharp({ create: { width: 64, height: 64, channels: 3, background: "#336699" } })
      .avif({ effort: 0 })
      .toBuffer();
    const head = tile.subarray(0, tile.indexOf("meta") - 4);
    const ispe = tile.subarray(tile.indexOf("ispe") - 4).subarray(0, 20);
    const sized = (size: number, ...parts: (string | number[] | Buffer)[]) => {
      const body = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part))));
      const length = Buffer.alloc(4);
      length.writeUInt32BE(size === 0 ? 0 : body.length + 4);
      return Buffer.concat([length, body]);
    };
    const box = (...parts: (string | number[] | Buffer)[]) => sized(1, ...parts);
    const [file, most] = [Buffer.alloc(5e6), [0x7f, 0xff, 0xff, 0xff]];
    const ends = async (...meta: (string | number[] | Buffer)[]) =>
      codeOf(Buffer.concat([head, box("meta", [0, 0, 0, 0], ispe, ...meta), file]));
    const old = box("iloc", [0, 0, 0, 0, 0x44, 0, 0, 1], [0, 1, 0, 0, 0, 1], [0, 0, 0, 0], most);
    const wide = box("iloc", [2, 0, 0, 0, 0x88, 0x84, 0, 0, 0, 1], [0, 0, 0, 1, 0, 0, 0, 0], Buffer.alloc(8), [0, 1], Buffer.alloc(12), [
      0,
      0,
      0,
      1,
      ...most,
    ]);
    const short = box("iloc", [0, 0, 0, 0, 0x44, 0, 0, 1], [0, 1, 0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]);
    const none = box("iloc", [0, 0, 0, 0, 0x00, 0, 0, 9], ...Array.from({ length: 9 }, () => [0, 1, 0, 0, 0xff, 0xff]));
    assert.deepEqual([await ends(old), await ends(wide)], ["corrupt_image", "corrupt_image"]);
    assert.deepEqual([await ends(short), await ends(none)], ["ok", "ok"]);
    assert.equal(await ends(short, short), "corrupt_image", "of two that say it, decoders choose");
    assert.equal(await ends(short.subarray(0, -1)), "corrupt_image", "cut");
    assert.equal(await ends(), "corrupt_image", "not said");
    const long = Buffer.concat([Buffer.from([0, 0, 0, 1, ...Buffer.from("free"), 0, 0, 0, 0, 0, 1, 0, 0]), Buffer.alloc(0x1_00_00 - 16)]);
    const behind = (last: Buffer) => Buffer.concat([head, box("free", ispe), long, sized(0, "meta", [0, 0, 0, 0], last)]);
    assert.deepEqual([await codeOf(behind(old)), await codeOf(behind(short))], ["corrupt_image", "ok"]);
    const many = Buffer.alloc(8 * 1_001, box("free"));
    assert.equal(await ends(many, short), "corrupt_image", "more boxes than are looked at");
  });

  test("counts a mark that lies across two reads of the disk once", async () => {
    const pieceBytes = 256 * 1024;
    for (let before = 1; before < 4; before += 1) {
      const bytes = Buffer.alloc(2 * pieceBytes);
      bytes.write("ANMF", pieceBytes - before);
      assert.equal(await countMarks(windowOn(bytes), Buffer.from("ANMF"), { from: 0, max: 9 }), 1);
    }
  });

  test("never fails on bytes cut off or garbled, and never says a size that is none", async () => {
    const files = [
      await picture().jpeg().toBuffer(),
      await picture().png().toBuffer(),
      await picture().webp().toBuffer(),
      await picture().avif({ effort: 0 }).toBuffer(),
      await picture().gif().toBuffer(),
      await picture().tiff().toBuffer(),
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.nat(2_000),
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 6 }),
        async (file, length, changes) => {
          const bytes = Buffer.from(file.subarray(0, Math.max(1, Math.min(length, file.length))));
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          const result = await inspectImage(
            { head: bytes, path: "/nowhere", bytes: bytes.length },
            { pixelsMax: PIXELS_MAX, allowSvg: false },
          );
          if (result.ok)
            assert.ok(result.value.width > 0 && result.value.height > 0 && result.value.width * result.value.height <= PIXELS_MAX);
          else assert.match(result.failure.code, /^(not_an_image|corrupt_image|unsupported_format|too_many_pixels|html_page)$/);
        },
      ),
      { numRuns: 600 },
    );
  });
});
