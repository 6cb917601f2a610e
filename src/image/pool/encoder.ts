import { createReadStream } from "node:fs";
import { flushCompileCache } from "node:module";
import { diskFullCode } from "../../domain/disk-full.ts";
import type { EncodedOutput, EncodeTask } from "../encode/encode-task.ts";
import type { EncoderLimits } from "../encode/fit-memory.ts";
import { standBack } from "./stand-back.ts";

/** `isForFresh`: one that has made an image before hands it back. */
type WorkOrder = { id: number; task: EncodeTask; limits: EncoderLimits; isForFresh: boolean };
/** Or to hand a task back that has not begun; where it has, nothing comes of it. */
export type EncoderOrder = WorkOrder | { handBack: number };

export type EncoderReply =
  | { isReady: true }
  | { handedBack: number }
  | { id: number; encodeMs: number; outputs: EncodedOutput[] }
  | { id: number; encodeMs: number; fault: string; kind: Fault };

/**
 * `worn`: the image may have what a fresh encoder has, and this one has not any more. `unsupported`: it is whole, and we cannot read it.
 * `input gone`: the disk does not give all that was downloaded.
 */
type Fault = "worn" | "too large" | "unsupported" | "disk full" | "disk" | "input gone" | "image";

// The entry of an encoder child process: takes tasks one after the other, in order, and dies with its parent, since nobody else waits
// for a result. It listens for that first of all, as loading libvips takes a while. Not process.exit(), which waits for libvips to
// finish its image.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
standBack();
const [{ restrictLibvips, startThreads }, { encodeImage }, { TooLargeForFormat }, { EncoderWorn, TooLargeForMemory }, { FRESH_BYTES }] =
  await Promise.all([
    import("../encode/libvips.ts"),
    import("../encode/encode.ts"),
    import("../encode/fit-format.ts"),
    import("../encode/fit-memory.ts"),
    import("../../domain/image/decode-cost.ts"),
  ]);
restrictLibvips({ allowSvg: process.argv.includes("--allow-svg") });
await startThreads();
reply({ isReady: true });
// Node would do it at an end of its own accord, which an encoder never has.
flushCompileCache();

const DISK_FULL = /no space left on device|disk quota exceeded/i;
/**
 * Not `unable to write to target` nor `wbuffer_write: write failed` alone: those libvips also says where it was the input that could not be
 * read, or the codec that refused it. What the disk says of a file always stands before them.
 */
const DISK_FAULT = /read-only|unable to open|write error/i;
/**
 * What libjpeg and libtiff say of what they were not built to read: 12 bits, lossless in 16, 65,501 pixels a side, Zstandard; and "No space
 * for …" of what takes more memory at once than libvips lets libtiff have.
 */
const UNSUPPORTED =
  /No space for |Cumulated memory allocation|Unsupported JPEG (data precision 1[26]\b|process)|tiled separate planes not supported|Maximum supported image dimension|compression support is not configured|Compression scheme \d+ \w+ decoding is not implemented/;

let tasksDone = 0;
let last: Promise<void> = Promise.resolve();
const waiting = new Set<number>();
process.on("message", (order: EncoderOrder) => {
  if ("handBack" in order) {
    if (waiting.delete(order.handBack)) reply({ handedBack: order.handBack });
    return;
  }
  waiting.add(order.id);
  last = last.then(() => work(order));
});

async function work({ id, task, limits, isForFresh }: WorkOrder): Promise<void> {
  if (!waiting.delete(id)) return;
  const startedAt = performance.now();
  try {
    if (isForFresh && tasksDone > 0) throw new EncoderWorn("a fresh encoder is asked for");
    // A fresh one is never worn, or no encoder would be good enough.
    const wornBytes = tasksDone === 0 ? 0 : Math.max(0, process.memoryUsage.rss() - FRESH_BYTES);
    tasksDone += 1;
    const outputs = await encodeImage(task, { ...limits, wornBytes });
    reply({ id, encodeMs: performance.now() - startedAt, outputs });
  } catch (error) {
    const { fault, kind } = faultOf(error, limits);
    const isOfInput = kind === "image" || kind === "unsupported" || kind === "disk";
    const asked = { fault, kind: isOfInput && !(await isWhole(task.input)) ? ("input gone" as const) : kind };
    reply({ id, encodeMs: performance.now() - startedAt, ...asked });
  }
}

/** To libvips a disk that gives an error, or fewer bytes, looks like an image that is cut. A look through the cache, for those alone that failed. */
async function isWhole({ path, bytes }: EncodeTask["input"]): Promise<boolean> {
  let length = 0;
  try {
    for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) length += piece.length;
  } catch {
    return false;
  }
  return length === bytes;
}

/** The pixel limit here is for headers that say one thing and hold another; `inspect` has seen the others. */
const OVER_LIMIT = "exceeds pixel limit";

function faultOf(error: unknown, { pixelsMax }: EncoderLimits): { fault: string; kind: Fault } {
  const fault = error instanceof Error ? error.message : String(error);
  if (!fault.includes(OVER_LIMIT)) return { fault, kind: kindOf(error, fault) };
  const megapixels = Math.round(pixelsMax / 1_000_000);
  return { fault: `Decoded, the image has more than the ${megapixels} megapixels that are allowed.`, kind: "too large" };
}

function kindOf(error: unknown, fault: string): Fault {
  if (error instanceof EncoderWorn) return "worn";
  if (error instanceof TooLargeForMemory || error instanceof TooLargeForFormat) return "too large";
  if (UNSUPPORTED.test(fault)) return "unsupported";
  if (DISK_FULL.test(fault) || diskFullCode(error) !== null) return "disk full";
  const isSystemCall = error instanceof Error && "syscall" in error;
  return isSystemCall || DISK_FAULT.test(fault) ? "disk" : "image";
}

function reply(message: EncoderReply): void {
  process.send?.(message);
}
