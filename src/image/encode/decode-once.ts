import sharp from "sharp";
import { scaledSize, type Size } from "../../domain/image/output-size.ts";
import type { Numbered } from "../headers/numbered-colours.ts";
import type { EncodeTask, OpenImage } from "./encode-task.ts";
import { bringToSrgb, divideByAlpha } from "./to-srgb.ts";

/** Four bytes a pixel of 30 megapixels: what is larger is decoded for each output, in strips and not as a whole. */
const RAW_BYTES_MAX = 120_000_000;
const CHANNELS_MAX = 4;

type Task = Pick<EncodeTask, "input" | "outputs">;
type Room = { upright: Size; bytesToSpare: number };

/**
 * Decodes an image once for all of its outputs, each way no larger than the largest of them needs, and brings it to sRGB where it is
 * `numbered`. Null where it would take more memory than is to spare.
 */
export async function decodeOnce(
  openInput: OpenImage,
  task: Task,
  { upright, bytesToSpare, numbered }: Room & { numbered?: Numbered | undefined },
): Promise<OpenImage | null> {
  if (!isHeldDecoded(task, { upright, bytesToSpare })) return null;
  const { isPremultiplied = false } = task.input;
  const { width, height } = decodedSize(task, upright);
  const isScaled = width < upright.width || height < upright.height;
  const pixels = isScaled ? openInput().resize({ width, height, fit: "fill" }) : openInput();
  const { data, info } = await pixels.raw().toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.height, channels: info.channels };
  if (numbered === undefined) return () => sharp(data, { raw: { ...raw, premultiplied: isPremultiplied } });
  if (isPremultiplied) divideByAlpha(data, info.channels);
  bringToSrgb(data, info.channels, numbered);
  return () => sharp(data, { raw });
}

/** Whether there is room for that. */
export function isHeldDecoded(task: Task, { upright, bytesToSpare }: Room): boolean {
  const { width, height } = decodedSize(task, upright);
  return width * height * CHANNELS_MAX <= Math.min(RAW_BYTES_MAX, bytesToSpare);
}

function decodedSize({ input, outputs }: Task, upright: Size): Size {
  // What is multiplied already cannot be scaled, since that would multiply it again.
  if (input.isPremultiplied) return upright;
  const sizes = outputs.map((output) => scaledSize(output, upright));
  return { width: Math.max(...sizes.map((size) => size.width)), height: Math.max(...sizes.map((size) => size.height)) };
}
