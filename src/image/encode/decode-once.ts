import sharp from "sharp";
import { scaledSize, type Size } from "../../domain/output-size.ts";
import type { EncodeTask, OpenImage } from "./encode-task.ts";

/** Four bytes a pixel of 30 megapixels: what is larger is decoded for each output, in strips and not as a whole. */
const RAW_BYTES_MAX = 120_000_000;
const CHANNELS_MAX = 4;

/**
 * Decodes an image once for all of its outputs, each way no larger than the largest of them needs. Null where it would
 * take more memory than is to spare.
 */
export async function decodeOnce(
  openInput: OpenImage,
  { input, outputs }: Pick<EncodeTask, "input" | "outputs">,
  { upright, bytesToSpare }: { upright: Size; bytesToSpare: number },
): Promise<OpenImage | null> {
  const { isPremultiplied = false } = input;
  // What is multiplied already cannot be scaled, since that would multiply it again.
  const sizes = isPremultiplied ? [upright] : outputs.map((output) => scaledSize(output, upright));
  const [width, height] = [Math.max(...sizes.map((size) => size.width)), Math.max(...sizes.map((size) => size.height))];
  if (width * height * CHANNELS_MAX > Math.min(RAW_BYTES_MAX, bytesToSpare)) return null;
  const isScaled = width < upright.width || height < upright.height;
  const pixels = isScaled ? openInput().resize({ width, height, fit: "fill" }) : openInput();
  const { data, info } = await pixels.raw().toBuffer({ resolveWithObject: true });
  return () => sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels, premultiplied: isPremultiplied } });
}
