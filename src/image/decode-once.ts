import sharp from "sharp";
import { scaleInto } from "../domain/output-size.ts";
import type { EncodeTask, OpenImage } from "./encode-task.ts";

/** Four bytes a pixel of 30 megapixels: what is larger is decoded for each output, in strips and not as a whole. */
const RAW_BYTES_MAX = 120_000_000;
const CHANNELS_MAX = 4;

/**
 * Decodes an image once for all of its outputs, no larger than the largest of them needs. Null where it would take
 * more memory than is to spare.
 */
export async function decodeOnce(
  openInput: OpenImage,
  { outputs }: Pick<EncodeTask, "outputs">,
  bytesToSpare: number,
): Promise<OpenImage | null> {
  const { autoOrient } = await openInput().metadata();
  const scale = Math.min(1, Math.max(...outputs.map((output) => scaleInto(output, autoOrient))));
  const width = Math.max(1, Math.ceil(autoOrient.width * scale));
  const height = Math.max(1, Math.ceil(autoOrient.height * scale));
  if (width * height * CHANNELS_MAX > Math.min(RAW_BYTES_MAX, bytesToSpare)) return null;
  const pixels = scale < 1 ? openInput().resize({ width, height, fit: "fill" }) : openInput();
  const { data, info } = await pixels.raw().toBuffer({ resolveWithObject: true });
  return () => sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
}
