import { outputSize, type Box, type Size } from "../../domain/output-size.ts";
import type { OutputFormat } from "../../domain/recipe.ts";

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
