import type { Sharp } from "sharp";
import { outputSize, scaledSize, type Box, type Size } from "../domain/output-size.ts";

/**
 * Brings an image into its box. To pixels that we have counted from the input's size, not to what libvips would make of
 * the box: it goes by what it was given, and a JPEG that was shrunk while it was decoded, or pixels that another output
 * shares, are a pixel wider or narrower than their share.
 */
export function fitIntoBox(image: Sharp, box: Box & { background: string }, upright: Size): Sharp {
  if (box.width === undefined && box.height === undefined) return image;
  const scaled = scaledSize(box, upright);
  const { width, height } = outputSize(box, upright);
  const whole = image.resize({ ...scaled, fit: "fill" });
  if (width < scaled.width || height < scaled.height)
    return whole.extract({ left: half(scaled.width - width), top: half(scaled.height - height), width, height });
  if (width > scaled.width || height > scaled.height) {
    const [left, top] = [half(width - scaled.width), half(height - scaled.height)];
    const { background } = box;
    // In grey alone, which is how libvips works on a grey image, a coloured background would be grey as well.
    return whole
      .pipelineColourspace("srgb")
      .extend({ left, top, right: width - scaled.width - left, bottom: height - scaled.height - top, background });
  }
  return whole;
}

function half(pixels: number): number {
  return Math.floor(pixels / 2);
}
