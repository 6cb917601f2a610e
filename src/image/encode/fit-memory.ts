import type { Metadata } from "sharp";
import { encoderBytes, pixelsAllowed, type DecodeFacts, type OutputCost } from "../../domain/image/decode-cost.ts";
import { outputSize, scaledSize, type Size } from "../../domain/image/output-size.ts";
import type { OutputFormat } from "../../domain/image/recipe.ts";
import type { EncodeTask } from "./encode-task.ts";

/** An image that this encoder's memory does not hold; its message is for people. */
export class TooLargeForMemory extends Error {}

/** It would fit a fresh encoder, not this one: what earlier images took has not all gone back to the system. */
export class EncoderWorn extends Error {}

export type EncoderLimits = {
  pixelsMax: number;
  /** Of one encoder. Without it an image may take what it likes. */
  memoryBytesMax?: number;
  /** What this encoder holds beyond a fresh one. */
  wornBytes?: number;
  /** The image has outgrown an encoder: everything is made in the way that takes the least memory. */
  isThrifty?: boolean;
};

type Output = EncodeTask["outputs"][number];

/** Input and output up to this many pixels fit into the smallest memory that can be configured, in every format. */
const SMALL_PIXELS = 2_000_000;

/** Formats whose size `inspect` has read from the very header that the decoder obeys. */
const HEADER_RULES: ReadonlySet<string> = new Set(["jpeg", "png", "webp"]);

/** Whether nothing need be asked: it saves 0.2 of the 5 ms that a small image takes. */
export function isSmall({ input, outputs }: EncodeTask): boolean {
  const isLarge = (size: Size) => size.width * size.height > SMALL_PIXELS;
  return HEADER_RULES.has(input.format) && !isLarge(input) && !outputs.some((output) => isLarge(sizeAtMost(output, input)));
}

/** Whether an output has to be made in the way that takes the least memory, to fit into the encoder's. */
export function isThriftNeeded(
  facts: DecodeFacts,
  output: Output,
  format: OutputFormat,
  { memoryBytesMax = Infinity, isThrifty = false }: EncoderLimits,
): boolean {
  return isThrifty || encoderBytes(facts, costOf(facts, output, format, false)) > memoryBytesMax;
}

/**
 * Refuses before anything is decoded what cannot be made within the encoder's memory, not even thriftily. Throws
 * TooLargeForMemory then: to be killed half way would cost more time, twice, and tell nobody why. Throws EncoderWorn
 * rather than let the output depend on earlier images.
 */
export function demandRoom(facts: DecodeFacts, output: Output, format: OutputFormat, limits: EncoderLimits): void {
  const { memoryBytesMax = Infinity, wornBytes = 0 } = limits;
  const cost = costOf(facts, output, format, isThriftNeeded(facts, output, format, limits));
  const bytes = encoderBytes(facts, cost);
  if (bytes > memoryBytesMax) throw new TooLargeForMemory(explain(facts, output, cost, memoryBytesMax));
  if (bytes + wornBytes > memoryBytesMax) throw new EncoderWorn("a fresh encoder is needed");
}

/** What remains beside the largest of the outputs; nothing, where they need more than they should. */
export function spareBytes(
  facts: DecodeFacts,
  outputs: readonly Output[],
  { memoryBytesMax = Infinity, wornBytes = 0, isThrifty = false }: EncoderLimits,
): number {
  if (isThrifty) return 0;
  const formatOf = ({ format }: Output): OutputFormat => (format !== "auto" ? format : facts.hasAlpha ? "webp" : "jpeg");
  return (
    memoryBytesMax - wornBytes - Math.max(...outputs.map((output) => encoderBytes(facts, costOf(facts, output, formatOf(output), false))))
  );
}

export function decodeFacts(metadata: Metadata, { input }: EncodeTask): DecodeFacts {
  const { width, height, channels, hasAlpha, depth, orientation, isProgressive, chromaSubsampling } = metadata;
  return {
    format: input.format,
    width,
    height,
    channels,
    hasAlpha,
    orientation: orientation ?? 1,
    isInterlaced: isProgressive,
    sampleBytes: SAMPLE_BYTES[depth] ?? 8,
    fileBytesPerPixel: input.bytes / (width * height),
    ...(chromaSubsampling === undefined ? {} : { chroma: chromaSubsampling }),
    ...(input.tileHeight === undefined ? {} : { tileHeight: input.tileHeight }),
  };
}

/** TIFF can hold numbers of up to 8 bytes, and pairs of them. */
const SAMPLE_BYTES: Readonly<Record<string, number>> = {
  uchar: 1,
  char: 1,
  ushort: 2,
  short: 2,
  uint: 4,
  int: 4,
  float: 4,
  double: 8,
  complex: 8,
  dpcomplex: 16,
};

function costOf(facts: DecodeFacts, output: Output, format: OutputFormat, isThrifty: boolean): OutputCost {
  const isOnItsSide = facts.orientation >= 5;
  const upright = isOnItsSide ? { width: facts.height, height: facts.width } : facts;
  return { format, effort: output.effort, quality: output.quality, ...sizeAtMost(output, upright), isThrifty };
}

/** What an output is before it is cut to its box, or with the frame around it: the larger counts. */
function sizeAtMost(output: Output, upright: Size): Size {
  const [scaled, made] = [scaledSize(output, upright), outputSize(output, upright)];
  return { width: Math.max(scaled.width, made.width), height: Math.max(scaled.height, made.height) };
}

const MIB = 1024 * 1024;

function explain(facts: DecodeFacts, output: Output, cost: OutputCost, bytesMax: number): string {
  const isBoxed = output.width !== undefined || output.height !== undefined;
  const megapixels = (pixels: number) => Math.floor(pixels / 100_000) / 10;
  const needed = Math.ceil(encoderBytes(facts, cost) / MIB);
  const canShrink = encoderBytes(facts, { ...cost, width: 1_000, height: 1_000 }) <= bytesMax;
  const wayOut = `${canShrink ? "Ask for a smaller width and height, or let the" : "Let the"} operator set ENCODER_MEMORY_MB to ${needed} or more.`;
  return (
    `The image has ${facts.width} x ${facts.height} pixels (${megapixels(facts.width * facts.height)} megapixels); of ${kindOf(facts)} to ${cost.format.toUpperCase()}, ` +
    `an encoder's ${Math.floor(bytesMax / MIB)} MB hold ${megapixels(pixelsAllowed(facts, cost, { bytesMax, isBoxed }))} megapixels. ${wayOut}`
  );
}

function kindOf({ format, isInterlaced, orientation, sampleBytes }: DecodeFacts): string {
  const words = [
    orientation > 2 ? "turned" : "",
    isInterlaced ? (format === "jpeg" ? "progressive" : "interlaced") : "",
    format.toUpperCase(),
    sampleBytes > 1 ? "of more than 8 bits" : "",
  ];
  return words.filter((word) => word !== "").join(" ");
}
