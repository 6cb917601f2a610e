import { writeFileSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import type { Metadata, Sharp } from "sharp";
import type { DecodeFacts } from "../../domain/image/decode-cost.ts";
import type { Size } from "../../domain/image/output-size.ts";
import type { OutputFormat } from "../../domain/image/recipe.ts";
import { isProfileKept, readDeepColours, readForBackground, type Colours } from "./colours.ts";
import { chooseFormat, isMaybeTransparent } from "./choose-format.ts";
import { compress } from "./compress.ts";
import { exifOf, fillInCredits, holdCredits, readCredits, type Credits } from "./copyright.ts";
import type { EncodedOutput, EncodeTask, OpenImage } from "./encode-task.ts";
import {
  decodeFacts,
  demandRoom,
  EncoderWorn,
  isSmall,
  isThriftNeeded,
  spareBytes,
  TooLargeForMemory,
  type EncoderLimits,
} from "./fit-memory.ts";
import { decodeOnce, isHeldDecoded } from "./decode-once.ts";
import { demandSides, makeOnceMore } from "./fit-format.ts";
import { fitIntoBox } from "./fit-into-box.ts";
import { applyGamma } from "../headers/png-gamma.ts";
import { endJpeg, passWarnings, prepareInput, type PreparedInput } from "./prepare-input.ts";
import { stripMetadata } from "./strip-metadata.ts";

/** Decodes one input and writes its outputs, each to a path of its own. Throws what libvips says, TooLargeForMemory, EncoderWorn or TooLargeForFormat. */
export async function encodeImage(task: EncodeTask, limits: EncoderLimits): Promise<EncodedOutput[]> {
  try {
    return await encodeFrom(task, await prepareInput(task, limits), limits);
  } catch (error) {
    const ended = (await endJpeg(task, error, limits)) ?? passWarnings(task, error, limits);
    if (ended === null) throw error;
    // Where more than the end is missing, the first words say so.
    return encodeFrom(task, ended, limits).catch(() => Promise.reject(error));
  }
}

async function encodeFrom(task: EncodeTask, { open, isPlain }: PreparedInput, limits: EncoderLimits): Promise<EncodedOutput[]> {
  const isEasy = isSmall(task);
  const { gamma, isPremultiplied = false } = task.input;
  const isAsked = !isEasy || !isPlain || task.outputs.some(dependsOnColours) || task.input.numbered !== undefined;
  const asked = isAsked ? await open().metadata() : null;
  // A profile is stronger than numbers, to libvips and in an AVIF.
  const numbered = asked?.icc === undefined ? task.input.numbered : undefined;
  const openAsMeant = gamma === undefined ? open : () => applyGamma(open(), gamma);
  const openInput = asked === null ? openAsMeant : () => readDeepColours(openAsMeant(), asked);
  const facts = isEasy || asked === null ? null : decodeFacts(asked, task);
  const upright = asked?.autoOrient ?? task.input;
  const bytesToSpare = facts === null ? Infinity : spareBytes(facts, task.outputs, limits);
  // Before a background comes in, which is as light as it should be.
  const isRemade = gamma !== undefined || isPremultiplied || numbered !== undefined;
  const isShared = isRemade || (task.outputs.length > 1 && !task.outputs.every(isProfiled));
  const openShared = isShared ? await decodeOnce(openInput, task, { upright, bytesToSpare, numbered }) : null;
  if (openShared === null && (isPremultiplied || numbered)) {
    const bytesOfFresh = bytesToSpare + (limits.wornBytes ?? 0);
    if (isHeldDecoded(task, { upright, bytesToSpare: bytesOfFresh })) throw new EncoderWorn("a fresh encoder is needed");
    throw new TooLargeForMemory(numbered ? NUMBERED : PREMULTIPLIED);
  }
  const auto = await chooseFormat(task, { openInput, openShared, asked, facts, limits });
  const opened = { openInput, openShared, upright, isRemade, auto, colours: asked ?? {}, facts, limits };
  const results: EncodedOutput[] = [];
  for (const output of task.outputs) results.push(await encodeOutput(task, output, opened));
  return results;
}

const PREMULTIPLIED =
  "The colours of the AVIF are multiplied by their transparency (premultiplied); an encoder's memory does not hold an image of this size to undo that.";
const NUMBERED =
  "The colours of the image are not those of sRGB (Display P3, BT.2020 or linear light, said by numbers); an encoder's memory does not hold an image of this size to convert them.";

type Output = EncodeTask["outputs"][number];

type Opened = {
  openInput: OpenImage;
  openShared: OpenImage | null;
  upright: Size;
  /** Its pixels are meant otherwise than libvips reads them: nothing is to be made of the file itself. */
  isRemade: boolean;
  /** What `auto` is for this image. */
  auto: OutputFormat;
  /** Empty where nothing depends on them. */
  colours: Colours;
  facts: DecodeFacts | null;
  limits: EncoderLimits;
};

const WHITE = "#ffffff";

/** White shows through grey as it does through colours. */
function dependsOnColours({ fit, metadata, background }: Output): boolean {
  return fit === "contain" || metadata === "icc" || background !== WHITE;
}

/** Made from the file itself, which alone has the profile. */
function isProfiled({ metadata }: Output): boolean {
  return metadata === "icc";
}

async function encodeOutput(task: EncodeTask, output: Output, opened: Opened): Promise<EncodedOutput> {
  const { openInput, openShared, isRemade, auto, colours, upright, facts, limits } = opened;
  const startedAt = performance.now();
  // What was decoded once has no metadata any more. Only its profile would be missed, which has no say where pixels are meant otherwise.
  const open = openShared && (isRemade || !isProfiled(output)) ? openShared : openInput;
  const format = output.format === "auto" ? auto : output.format;
  demandSides(output, upright, format);
  if (facts) demandRoom(facts, output, format, limits);
  const isThrifty = facts === null ? limits.isThrifty : isThriftNeeded(facts, output, format, limits);
  const isOpaque = task.input.format === "jpeg";
  let image = flatten(fitIntoBox(open(), output, opened), task, format, output, colours);
  if (output.metadata === "icc" && isProfileKept(colours)) image = image.keepIccProfile();
  const credits = output.metadata === "copyright" ? await readCredits(await openInput().metadata(), task.input) : null;
  if (credits) image = holdCredits(image, credits);
  const made = await makeOnceMore(format, ({ isOnceMore }) =>
    write(compress(image, format, { ...output, isThrifty: isThrifty || isOnceMore, isOpaque }), output.path, facts === null),
  );
  if (credits) await fillInCredits(output.path, credits);
  const kept = await replaceByInput(task, output, { ...made, format, credits }, openInput);
  const { name, path, quality } = output;
  const { width, height } = made;
  return {
    name,
    path,
    format,
    quality,
    width,
    height,
    bytes: kept ?? made.bytes,
    isKept: kept !== null,
    encodeMs: Math.round(performance.now() - startedAt),
  };
}

/** A small image goes through memory: a file that libvips writes piece by piece costs 0.05 ms more. */
async function write(image: Sharp, path: string, isSmall: boolean): Promise<{ width: number; height: number; bytes: number }> {
  if (!isSmall) {
    const { width, height, size } = await image.toFile(path);
    return { width, height, bytes: size || (await stat(path)).size };
  }
  const { data, info } = await image.toBuffer({ resolveWithObject: true });
  writeFileSync(path, data);
  return { width: info.width, height: info.height, bytes: data.length };
}

/** JPEG has no transparency: the background shows through, white as on a product page unless told otherwise. */
function flatten(image: Sharp, { input }: EncodeTask, format: OutputFormat, { background }: Output, colours: Colours): Sharp {
  if (format !== "jpeg" || !isMaybeTransparent(input.format)) return image;
  return readForBackground(image, colours).flatten({ background });
}

/**
 * Puts the input without its metadata in the place of an output that is not smaller than that: it was compressed well before. The credits
 * that the output has it gets as well.
 * Returns its bytes, or null where the output stays.
 */
async function replaceByInput(
  task: EncodeTask,
  output: Output,
  made: { format: OutputFormat; width: number; height: number; bytes: number; credits: Credits | null },
  openInput: OpenImage,
): Promise<number | null> {
  const { input } = task;
  const isSame = input.format === made.format && input.width === made.width && input.height === made.height;
  const isSmaller = input.metadataBytes !== undefined && made.bytes < input.bytes - input.metadataBytes;
  if (!isSame || isSmaller || !isSimple(await openInput().metadata())) return null;
  const stripped = stripMetadata(await readFile(input.path), made.format, made.credits && exifOf(made.credits));
  if (stripped === null || stripped.length > made.bytes) return null;
  await writeFile(output.path, stripped);
  return stripped.length;
}

/** One frame, upright, in colours that every browser shows. */
function isSimple({ orientation = 1, pages = 1, space }: Metadata): boolean {
  return orientation === 1 && pages === 1 && (space === "srgb" || space === "b-w");
}
