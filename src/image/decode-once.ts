import sharp from "sharp";
import type { EncodeTask, OpenImage } from "./encode-task.ts";

/** Four bytes a pixel of 30 megapixels: what is larger is decoded for each output, in strips and not as a whole. */
const RAW_BYTES_MAX = 120_000_000;
const CHANNELS_MAX = 4;

/**
 * Decodes an image once for all of its outputs, no larger than the largest of them needs. Null where it would take
 * too much memory.
 */
export async function decodeOnce(openInput: OpenImage, { outputs }: Pick<EncodeTask, "outputs">): Promise<OpenImage | null> {
  const { autoOrient } = await openInput().metadata();
  const scale = Math.min(1, Math.max(...outputs.map((output) => scaleFor(output, autoOrient))));
  const width = Math.max(1, Math.ceil(autoOrient.width * scale));
  const height = Math.max(1, Math.ceil(autoOrient.height * scale));
  if (width * height * CHANNELS_MAX > RAW_BYTES_MAX) return null;
  const pixels = scale < 1 ? openInput().resize({ width, height, fit: "fill" }) : openInput();
  const { data, info } = await pixels.raw().toBuffer({ resolveWithObject: true });
  return () => sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
}

/** How much of the input's size an output needs before its own resize. */
function scaleFor({ width, height, fit }: EncodeTask["outputs"][number], input: { width: number; height: number }): number {
  if (width === undefined && height === undefined) return 1;
  const across = width === undefined ? null : width / input.width;
  const down = height === undefined ? null : height / input.height;
  if (across === null || down === null) return across ?? down ?? 1;
  return fit === "inside" || fit === "contain" ? Math.min(across, down) : Math.max(across, down);
}
