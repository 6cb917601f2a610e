import type { Metadata } from "sharp";
import type { DecodeFacts } from "../../domain/image/decode-cost.ts";
import type { InputFormat } from "../../domain/image/input-format.ts";
import type { OutputFormat } from "../../domain/image/recipe.ts";
import type { EncodeTask, OpenImage } from "./encode-task.ts";
import { demandRoom, type EncoderLimits } from "./fit-memory.ts";

/** Formats that can be transparent; JPEG never is, so that nothing need be looked at. */
const MAYBE_TRANSPARENT: ReadonlySet<InputFormat> = new Set(["png", "webp", "avif", "gif", "tiff", "svg"]);

export function isMaybeTransparent(format: InputFormat): boolean {
  return MAYBE_TRANSPARENT.has(format);
}

const OPAQUE = 255;
/** No larger than it takes to see: what is transparent in less than a pixel of that shows nothing. */
const LOOK = { width: 512, height: 512, fit: "inside" } as const;

type Opened = {
  openInput: OpenImage;
  openShared: OpenImage | null;
  /** What the file's headers say, where they have been looked at. */
  asked: Pick<Metadata, "hasAlpha"> | null;
  facts: DecodeFacts | null;
  limits: EncoderLimits;
};

/**
 * What `auto` is, once for all outputs. An alpha channel is often there and full everywhere: only what shows through something needs WebP.
 * The look is at what was decoded for the outputs, if that is held: what the largest of them does not show may as well be opaque.
 */
export async function chooseFormat({ input, outputs }: EncodeTask, opened: Opened): Promise<OutputFormat> {
  const { openInput, openShared, asked, facts, limits } = opened;
  const output = outputs.find(({ format }) => format === "auto");
  if (output === undefined || !isMaybeTransparent(input.format)) return "jpeg";
  const { hasAlpha } = asked ?? (await openInput().metadata());
  if (!hasAlpha) return "jpeg";
  // Where nothing is held the look decodes as well.
  if (facts && !openShared) demandRoom(facts, { ...output, ...LOOK }, "jpeg", limits);
  const alpha = await (openShared ?? openInput)()
    .resize({ ...LOOK, withoutEnlargement: true })
    .extractChannel("alpha")
    .raw()
    .toBuffer();
  return alpha.some((value) => value < OPAQUE) ? "webp" : "jpeg";
}
