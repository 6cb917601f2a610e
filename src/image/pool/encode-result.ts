import { failed, succeeded, type StageResult } from "../../domain/image/stage-result.ts";
import type { EncodedOutput, EncodeTask } from "../encode/encode-task.ts";
import type { EncoderReply } from "./encoder.ts";
import { deadlineMs, type WatchLimits } from "./watch-encoders.ts";

export type Encoded = { outputs: EncodedOutput[]; encodeMs: number };

/** What an encoder said of a task, as the image's result; of libvips' words only what came first, and without a path. */
export function resultOf(
  reply: Extract<EncoderReply, { encodeMs: number }>,
  task: Pick<EncodeTask, "input" | "outputs">,
): StageResult<Encoded> {
  if ("outputs" in reply) return succeeded({ outputs: reply.outputs, encodeMs: reply.encodeMs });
  if (reply.kind === "too large") return failed("too_many_pixels", reply.fault);
  if (reply.kind === "disk full" || reply.kind === "disk")
    return failed("storage_failed", "The compressed image could not be written.", { isDiskFull: reply.kind === "disk full" });
  if (reply.kind === "input gone") return failed("storage_failed", "The downloaded image could not be read.");
  const why = firstWords(withoutPaths(reply.fault, task));
  if (reply.kind === "unsupported") return failed("unsupported_format", `The image is coded in a way that is not supported (${why}).`);
  return failed("corrupt_image", `The image is damaged and cannot be decoded (${why}).`);
}

/** However much grain an image has, so few pixels need no encoder's memory: something else is in the file. */
const FEW_PIXELS = 2e6;

/** Of an image that no encoder's memory held, though its headers promised that it would: how many pixels would fit, nobody knows. */
export function outgrown({ width, height }: EncodeTask["input"], memoryBytesMax: number): StageResult<never> {
  const memory = `an encoder's ${Math.floor(memoryBytesMax / MIB)} MB`;
  if (width * height <= FEW_PIXELS)
    return failed("corrupt_image", `The image has ${width}x${height} pixels, and still takes more memory than ${memory} to read and draw.`);
  return failed(
    "too_many_pixels",
    `With so much grain or noise the image has more pixels than ${memory} hold. ` +
      "Ask for a smaller width and height or a lower quality, or let the operator raise ENCODER_MEMORY_MB.",
  );
}

/** Of what took its encoder longer than it may: a drawing once, all else twice, since the first time can have been another's fault. */
export function timedOut(limits: WatchLimits, of: { isDrawing: boolean }): StageResult<never> {
  const ms = deadlineMs(limits, of);
  if (!of.isDrawing) return failed("encode_timed_out", `The image took longer than ${ms} ms to compress, twice.`);
  return failed(
    "encode_timed_out",
    `The drawing took longer than ${ms / 1000} s to draw and compress. Ask for a smaller width and height, or give it fewer effects, or as a PNG.`,
  );
}

const MIB = 1024 * 1024;

/** Where our files lie is nobody's business. The task's own paths go first: a blank in one would end it for the pattern. */
function withoutPaths(text: string, { input, outputs }: Pick<EncodeTask, "input" | "outputs">): string {
  const own = [input.path, ...outputs.map(({ path }) => path)];
  return own.reduce((rest, path) => rest.replaceAll(path, "…"), text).replaceAll(/\/\S+/g, "…");
}

/** Each step of libvips that had to give up adds a line, a decoder one for each piece that it could not read. */
function firstWords(fault: string): string {
  const [first = ""] = fault.trim().split("\n");
  return first.replaceAll(/\s+/g, " ").slice(0, 160);
}
