import { INPUT_FILES, type InputFormat } from "../domain/image/input-format.ts";
import { failed, succeeded, type StageResult } from "../domain/image/stage-result.ts";
import type { Size } from "../domain/image/output-size.ts";
import { openByteWindow, type ByteWindow } from "./headers/byte-window.ts";
import { countMarks, FRAME, SCAN } from "./headers/count-marks.ts";
import { isCalledHtml, looksLikeHtml, looksLikeSvg, nameUnsupported, readBrands } from "./headers/not-an-image.ts";
import { readJpegSize } from "./headers/jpeg-size.ts";
import {
  readAvifSize,
  readGifSize,
  readPngSize,
  readSvgSize,
  readTiffSize,
  readWebpSize,
  type Header,
  type HeaderFacts,
} from "./headers/sizes.ts";

/** 100 megapixels: the largest medium-format cameras; 400 MB once decoded. */
export const PIXELS_MAX = 100_000_000;

/** The first bytes of what a server gave, and what it called that. */
type Answered = { head: Buffer; contentType?: string | null };

export type Inspection = HeaderFacts & { format: InputFormat; mediaType: string; extension: string };

/**
 * A progressive JPEG has some ten scans, mozjpeg's up to some twenty. Each costs a pass over all pixels, however few bytes it has: at 100
 * megapixels 0.06 s, or 0.2 s where it is coded arithmetically. Of so many pixels 25 scans are taken, of a quarter of them 100.
 */
const SCANS_MAX = 100;
const SCANNED_PIXELS_MAX = 2_500_000_000;

/**
 * Animations have some hundred frames. libwebp looks for each from the first one on, and libvips asks for all of them however many
 * are wanted: 10,000 take 0.15 s, 100,000 in 5 MB take 15 s.
 */
const FRAMES_MAX = 10_000;

const READ_SIZE: Record<InputFormat, typeof readJpegSize> = {
  jpeg: readJpegSize,
  png: readPngSize,
  webp: readWebpSize,
  avif: readAvifSize,
  gif: readGifSize,
  tiff: readTiffSize,
  svg: readSvgSize,
};

/**
 * Says from the bytes alone what a file is and how large it claims to be, before anything decodes it: a PNG of
 * 60 kB can claim 500 megapixels, which would cost 2 GB to decode. The file name is not asked, and the Content-Type only of what no bytes
 * tell.
 */
export async function inspectImage(
  input: Answered & { path: string; bytes: number },
  limits: { pixelsMax: number; allowSvg: boolean },
): Promise<StageResult<Inspection>> {
  if (input.bytes === 0) return failed("not_an_image", "The file is empty.");
  const format = findFormat(input.head) ?? (limits.allowSvg && looksLikeSvg(input.head) ? "svg" : null);
  if (format === null) return refuseOther(input);
  const window = openByteWindow(input);
  try {
    const claimed = await READ_SIZE[format](window);
    if (claimed === null) return endsEarly(format);
    const { scansFrom: _scans, framesFrom: _frames, fault, unread, ...size } = claimed;
    if (size.width === 0 || size.height === 0) return endsEarly(format);
    if (size.width * size.height > limits.pixelsMax) return tooManyPixels(size, limits.pixelsMax);
    if (unread !== undefined) return failed("unsupported_format", `The ${format.toUpperCase()} holds ${unread}.`);
    const wrong = fault ?? (await findTooMany(window, claimed));
    if (wrong !== null) return failed("corrupt_image", wrong);
    return succeeded({ format, ...INPUT_FILES[format], ...size });
  } finally {
    await window.close();
  }
}

/** In a sentence what a file has too many of; null where there is nothing. */
async function findTooMany(bytes: ByteWindow, { width, height, scansFrom, framesFrom }: Header): Promise<string | null> {
  const scansMax = Math.min(SCANS_MAX, Math.floor(SCANNED_PIXELS_MAX / (width * height)));
  if (scansFrom !== undefined && (await countMarks(bytes, SCAN, { from: scansFrom, max: scansMax })) > scansMax)
    return (
      `The JPEG of ${width} x ${height} pixels comes in more than ${scansMax} scans, each of which goes over all of them; ` +
      `at most ${scansMax} are allowed, and photographs have some ten. Save it as a baseline one.`
    );
  if (framesFrom !== undefined && (await countMarks(bytes, FRAME, { from: framesFrom, max: FRAMES_MAX })) > FRAMES_MAX) {
    const max = FRAMES_MAX.toLocaleString("en");
    return `The WebP has more than ${max} frames, each of which is looked for; at most ${max} are allowed. Save its first frame alone, which is all that is taken.`;
  }
  return null;
}

function endsEarly(format: InputFormat): StageResult<never> {
  return failed("corrupt_image", `The file begins as ${format.toUpperCase()}, but its headers do not say how large the image is.`);
}

function tooManyPixels({ width, height }: Size, pixelsMax: number): StageResult<never> {
  const megapixels = (pixels: number) => Math.round(pixels / 1_000_000);
  return failed(
    "too_many_pixels",
    `The image claims ${width} x ${height} pixels (${megapixels(width * height)} megapixels); at most ${megapixels(pixelsMax)} are allowed.`,
  );
}

/** ITU-T T.87, table C.1: the frame, which comes first. */
const JPEG_LS = 0xf7;
/** libvips opens none that calls itself so before all else; others have a first picture that it finds. */
const ANIMATED_AVIF = "avis";

function findFormat(head: Buffer): InputFormat | null {
  const ascii = head.toString("latin1", 0, 64);
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff && head[3] !== JPEG_LS) return "jpeg";
  if (ascii.startsWith("\u0089PNG\r\n\u001A\n")) return "png";
  if (ascii.startsWith("RIFF") && ascii.slice(8, 12) === "WEBP") return "webp";
  if (ascii.startsWith("GIF87a") || ascii.startsWith("GIF89a")) return "gif";
  if (ascii.startsWith("II*\0") || ascii.startsWith("MM\0*")) return "tiff";
  const [major = "", ...others] = readBrands(head);
  if (major !== ANIMATED_AVIF && [major, ...others].some((brand) => brand === "avif" || brand === ANIMATED_AVIF)) return "avif";
  return null;
}

/** A web page where a file was to be: by its first bytes, or by its Content-Type where these are those of nothing that we know. */
export function isPage({ head, contentType = null }: Answered): boolean {
  if (findFormat(head) !== null) return false;
  return looksLikeHtml(head) || (isCalledHtml(contentType) && nameUnsupported(head) === null);
}

function refuseOther(input: Answered): StageResult<never> {
  if (isPage(input)) return failed("html_page");
  const named = nameUnsupported(input.head);
  if (named) return failed("unsupported_format", `The file is ${named}; JPEG, PNG, WebP, AVIF, GIF and TIFF are supported.`);
  return failed("not_an_image", "The file's first bytes are those of no image format.");
}
