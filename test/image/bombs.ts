import sharp from "sharp";
import type { ImageCode } from "../../src/domain/image/image-code.ts";
import {
  animatedWebp,
  avifGrid,
  avifOfPieces,
  blackPng,
  blackTiff,
  gif,
  pngBomb,
  progressiveJpeg,
  withAvifSize,
  withJpegSegments,
  withJpegSize,
} from "../support/hostile-files.ts";

/** Name, file, and how it must end under the seed's recipe with 512 MB. */
export type Bomb = [name: string, file: Buffer, end: ImageCode | "done"];

const GIB = 1024 ** 3;

export async function makeBombs(): Promise<Bomb[]> {
  const colour = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: "#336699" }, limitInputPixels: 2e8 });
  const jpeg = await colour(640, 480).jpeg().toBuffer();
  const avif = await colour(64, 64).avif({ effort: 0 }).toBuffer();
  const tile: [number, number] = [64, 64];
  return [
    ["a PNG of 500 megapixels in 60 kB", blackPng({ width: 22_361, height: 22_361, bits: 1, colour: "grey" }), "too_many_pixels"],
    ["a PNG of 2^31 - 1 pixels a side", blackPngClaiming(0x7fff_ffff, 0x7fff_ffff), "too_many_pixels"],
    ["a PNG without width", blackPngClaiming(0, 100), "corrupt_image"],
    ["a PNG of 16 bits and transparency at the limit", blackPng({ width: 10_000, height: 10_000, bits: 16, colour: "rgba" }), "done"],
    ["a PNG with a palette at the limit", blackPng({ width: 10_000, height: 10_000, colour: "palette" }), "done"],
    ["an interlaced PNG at the limit", blackPng({ width: 10_000, height: 10_000, colour: "rgba", isInterlaced: true }), "too_many_pixels"],
    ["an interlaced PNG that fits", blackPng({ width: 5_000, height: 5_000, colour: "rgba", isInterlaced: true }), "done"],
    ["a PNG with a text of 1 GB", blackPng({ width: 60, height: 40, extra: [pngBomb("zTXt", GIB)] }), "done"],
    ["a PNG with an international text of 1 GB", blackPng({ width: 61, height: 40, extra: [pngBomb("iTXt", GIB)] }), "done"],
    ["a PNG with a profile of 1 GB", blackPng({ width: 62, height: 40, extra: [pngBomb("iCCP", GIB)] }), "done"],
    ["a PNG with 5,000 texts", blackPng({ width: 63, height: 40, extra: Array<Buffer>(5_000).fill(pngBomb("zTXt", 1_000)) }), "done"],

    ["an AVIF of a few hundred bytes that claims 16k x 17k", withAvifSize(avif, 16_384, 17_000), "too_many_pixels"],
    ["an AVIF that claims more than its data has", withAvifSize(avif, 4_000, 4_000), "corrupt_image"],
    [
      "an AVIF that claims less than its data has",
      withAvifSize(await colour(3_000, 2_000).avif({ effort: 0 }).toBuffer(), 16, 16),
      "corrupt_image",
    ],
    ["an AVIF of tiles as it should be", avifGrid(avif, { rows: 2, columns: 2, tileSize: tile, claimed: [128, 128] }), "done"],
    [
      "an AVIF of small tiles that claims to be large",
      avifGrid(avif, { rows: 2, columns: 2, tileSize: tile, claimed: [16_384, 17_000] }),
      "too_many_pixels",
    ],
    [
      "an AVIF of small tiles that claims to be fairly large",
      avifGrid(avif, { rows: 2, columns: 2, tileSize: tile, claimed: [4_000, 4_000] }),
      "corrupt_image",
    ],
    [
      "an AVIF of tiles that claim to be large",
      avifGrid(avif, { rows: 2, columns: 2, tileSize: [16_384, 17_000], claimed: [128, 128] }),
      "too_many_pixels",
    ],
    [
      "an AVIF of 10,000 tiles that claims to be small",
      avifGrid(avif, { rows: 100, columns: 100, tileSize: tile, claimed: [64, 64] }),
      "corrupt_image",
    ],
    ["an AVIF that has the same 40 MB thirteen times", avifOfPieces(avif, { fillerBytes: 40e6, pieces: 13 }), "corrupt_image"],
    ["an AVIF of 20 texts of 400 MB", avifOfPieces(avif, { fillerBytes: 40e6, pieces: 10, exifs: 20 }), "corrupt_image"],

    ["a GIF of 10,000 frames", gif({ screen: [300, 200], frame: [300, 200], frames: 10_000 }), "done"],
    ["a GIF with a huge screen and a small frame", gif({ screen: [65_535, 65_535], frame: [10, 10] }), "too_many_pixels"],
    ["a GIF with a small screen and a huge frame", gif({ screen: [10, 10], frame: [65_535, 65_535] }), "too_many_pixels"],
    ["a GIF without height", gif({ screen: [10, 0], frame: [10, 0] }), "corrupt_image"],
    ["a GIF at the limit", gif({ screen: [10_000, 10_000], frame: [10_000, 10_000] }), "too_many_pixels"],

    ["a JPEG of 880 scans", progressiveJpeg({ width: 10_000, height: 10_000, scans: 880 }), "corrupt_image"],
    ["a JPEG of 880 scans behind a stray byte", scansBehind(Buffer.from("?")), "corrupt_image"],
    ["a JPEG of 880 scans behind what is no marker", scansBehind(Buffer.from([0xff, 0, 0, 2])), "corrupt_image"],
    ["a JPEG of 880 scans behind 2,000 comments", scansBehind(Buffer.from("fffe0002".repeat(2_000), "hex")), "corrupt_image"],
    ["a JPEG of 100 scans at the limit", progressiveJpeg({ width: 10_000, height: 10_000, scans: 100 }), "corrupt_image"],
    ["a JPEG of 25 scans at the limit", progressiveJpeg({ width: 10_000, height: 10_000, scans: 25 }), "done"],
    ["a JPEG of 100 scans that is smaller", progressiveJpeg({ width: 5_000, height: 5_000, scans: 100 }), "done"],
    // As browsers show it: what is there, then grey.
    ["a JPEG that claims more than its data has", withJpegSize(jpeg, 4_000, 4_000), "done"],
    ["a JPEG that claims less than its data has", withJpegSize(jpeg, 320, 240), "done"],
    ["a JPEG without height", withJpegSize(jpeg, 640, 0), "corrupt_image"],
    ["a JPEG of 65,535 pixels a side", withJpegSize(jpeg, 65_535, 65_535), "too_many_pixels"],
    ["a JPEG with a profile of 16 MB", withJpegSegments(jpeg, 0xe2, profile(255)), "done"],
    [
      "a JPEG with 300 times 64 kB of Exif",
      withJpegSegments(
        jpeg,
        0xe1,
        Array<Buffer>(300).fill(Buffer.concat([Buffer.from("Exif\0\0II*\0\b\0\0\0", "latin1"), Buffer.alloc(65_000, 1)])),
      ),
      "done",
    ],
    ["a JPEG with a million comments", withJpegSegments(jpeg, 0xfe, Array<Buffer>(1_000_000).fill(Buffer.alloc(1))), "corrupt_image"],

    ["a WebP of few bytes at the limit", await colour(16_383, 6_000).webp({ lossless: true, effort: 0 }).toBuffer(), "too_many_pixels"],
    ["a WebP of 2,000 frames", await flickeringWebp(2_000), "done"],
    ["a WebP of 10,000 frames", animatedWebp(10_000), "done"],
    ["a WebP of 50,000 frames", animatedWebp(50_000), "corrupt_image"],

    ["a TIFF in one strip at the limit", blackTiff({ width: 10_000, height: 10_000, samples: 4, bits: 16 }), "done"],
    ["a TIFF whose tiles are larger than any image", blackTiff({ width: 64, height: 64, tile: 16_384 }), "corrupt_image"],
    ["a TIFF of large tiles", blackTiff({ width: 10_000, height: 10_000, tile: 2_048, samples: 4, bits: 16 }), "done"],
    [
      "a TIFF of large tiles that says then that they are small",
      blackTiff({ width: 20_000, height: 5_000, tile: 2_048, tileAgain: 16, samples: 4, bits: 16 }),
      "too_many_pixels",
    ],
    ["a TIFF in one strip a colour that fits", blackTiff({ width: 4_000, height: 4_000, isPlanar: true, bits: 16 }), "done"],
    [
      "a TIFF in one strip a colour at the limit",
      blackTiff({ width: 10_000, height: 10_000, isPlanar: true, bits: 16 }),
      "too_many_pixels",
    ],
    ["a TIFF of 10,000 pages", blackTiff({ width: 90, height: 60, pages: 10_000 }), "done"],
    ["a TIFF whose pages run in a circle", blackTiff({ width: 91, height: 60, pages: 3, next: "loop" }), "done"],
    ["a TIFF without width", blackTiff({ width: 0, height: 60 }), "corrupt_image"],
    ["a BigTIFF", Buffer.concat([Buffer.from("II+\0\b\0\0\0", "latin1"), Buffer.alloc(64)]), "unsupported_format"],

    [
      "a HEIC",
      Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from("ftypheic\0\0\0\0mif1heic", "latin1"), Buffer.alloc(600)]),
      "unsupported_format",
    ],
    ["an SVG", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="100000" height="100000"/>'), "unsupported_format"],
    ["nothing", Buffer.alloc(0), "not_an_image"],
  ];
}

function blackPngClaiming(width: number, height: number): Buffer {
  const file = Buffer.from(blackPng({ width: 1, height: 1 }));
  file.writeUInt32BE(width, 16);
  file.writeUInt32BE(height, 20);
  return file;
}

function scansBehind(behindFrame: Buffer): Buffer {
  return progressiveJpeg({ width: 10_000, height: 10_000, scans: 880, behindFrame });
}

/** ICC.1, B.4: a profile goes in up to 255 numbered pieces of 64 kB. */
function profile(pieces: number): Buffer[] {
  return Array.from({ length: pieces }, (_, index) =>
    Buffer.concat([Buffer.from("ICC_PROFILE\0", "latin1"), Buffer.from([index + 1, pieces]), Buffer.alloc(65_000, index)]),
  );
}

async function flickeringWebp(frames: number): Promise<Buffer> {
  const height = 16;
  const pixels = Buffer.alloc(32 * height * frames * 3);
  for (let frame = 0; frame < frames; frame += 1) pixels.fill(frame % 251, frame * 32 * height * 3, (frame + 1) * 32 * height * 3);
  return sharp(pixels, { raw: { width: 32, height: height * frames, channels: 3, pageHeight: height } })
    .webp({ effort: 0, delay: Array<number>(frames).fill(40) })
    .toBuffer();
}
