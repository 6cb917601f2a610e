import { outputSize, type Box, type Size } from "../../domain/image/output-size.ts";
import type { OutputFormat } from "../../domain/image/recipe.ts";

/** An image that no file of its output's format can hold; its message is for people. */
export class TooLargeForFormat extends Error {}

/** Pixels a side: RFC 9649 (14 bits, less one), libheif's limit, libjpeg's (ITU-T T.81 has 16 bits), PNG 3rd edition (31 bits). */
const SIDE_PX_MAX: Record<OutputFormat, number> = { webp: 16_383, avif: 16_384, jpeg: 65_500, png: 2 ** 31 - 1 };

/** Refuses before anything is encoded: the encoder's own words would be taken for a damaged input. */
export function demandSides(box: Box, upright: Size, format: OutputFormat): void {
  const { width, height } = outputSize(box, upright);
  const side = Math.max(width, height);
  if (side <= SIDE_PX_MAX[format]) return;
  throw new TooLargeForFormat(
    `The output would have a side of ${side} pixels; ${format.toUpperCase()} holds at most ${SIDE_PX_MAX[format]}. Ask for a smaller width and height, or for another format.`,
  );
}

/** Beside it stands only that what it gave could not be written ("wbuffer_write: write failed"), which is not the disk's fault. */
const REFUSED_BY_CODEC = /^webpsave: unable to encode/m;

/**
 * Has a WebP made once more, in the thriftiest way, where the codec refuses it: what it says of each block of 16 x 16 pixels, before their
 * coefficients, has to fit into 512 kB (RFC 6386, 9.1 and 9.5: the first partition, 19 bits), and methods 0 and 1 (effort `fast`) do not look at that.
 * Grain of 16 megapixels was too much for them; at method 2 noise of 99 is not.
 */
export async function makeOnceMore<T>(format: OutputFormat, make: (how: { isOnceMore: boolean }) => Promise<T>): Promise<T> {
  const isRefused = (error: unknown) => format === "webp" && error instanceof Error && REFUSED_BY_CODEC.test(error.message);
  try {
    return await make({ isOnceMore: false });
  } catch (error) {
    if (!isRefused(error)) throw error;
  }
  try {
    return await make({ isOnceMore: true });
  } catch (error) {
    if (!isRefused(error)) throw error;
    throw new TooLargeForFormat(TOO_DETAILED, { cause: error });
  }
}

const TOO_DETAILED =
  "The output has more detail than a WebP of its size can hold. Ask for a smaller width and height, or for another format.";
