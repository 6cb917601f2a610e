import type { Sharp } from "sharp";
import { outputSize, scaledSize, type Box, type Size } from "../../domain/image/output-size.ts";
import { readForBackground, type Colours } from "./colours.ts";

/**
 * Brings an image into its box. To pixels that we have counted from the input's size, not to what libvips would make of
 * the box: it goes by what it was given, and a JPEG that was shrunk while it was decoded, or pixels that another output
 * shares, are a pixel wider or narrower than their share.
 */
export function fitIntoBox(
  image: Sharp,
  box: Box & { background: string },
  { upright, colours }: { upright: Size; colours: Colours },
): Sharp {
  if (box.width === undefined && box.height === undefined) return image;
  const scaled = scaledSize(box, upright);
  const { width, height } = outputSize(box, upright);
  const whole = image.resize({ ...scaled, fit: "fill" });
  if (width < scaled.width || height < scaled.height)
    return whole.extract({ left: half(scaled.width - width), top: half(scaled.height - height), width, height });
  if (width > scaled.width || height > scaled.height) {
    const [left, top] = [half(width - scaled.width), half(height - scaled.height)];
    const { background } = box;
    const [right, bottom] = [width - scaled.width - left, height - scaled.height - top];
    return readForBackground(whole, colours).extend({ left, top, right, bottom, background });
  }
  return whole;
}

function half(pixels: number): number {
  return Math.floor(pixels / 2);
}
