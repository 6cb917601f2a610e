import { INPUT_FILES } from "./input-format.ts";

/** The formats that outputs are written in. */
export const OUTPUT_FORMATS = ["jpeg", "webp", "avif", "png"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];
/** `auto`: WebP for an image that is transparent somewhere, else JPEG. */
export const RECIPE_FORMATS = [...OUTPUT_FORMATS, "auto"] as const;
type RecipeFormat = (typeof RECIPE_FORMATS)[number];

/** As sharp names them; a catalogue needs `inside` and `cover` most. */
export const FITS = ["inside", "cover", "contain", "fill", "outside"] as const;
export type Fit = (typeof FITS)[number];

/** How long the encoder may look for a smaller file of the same quality. */
export const EFFORTS = ["fast", "balanced", "small"] as const;
export type Effort = (typeof EFFORTS)[number];

/** Which of the input's metadata goes into the output: none, its colour profile, or who made and owns it. */
export const METADATA_KEPT = ["none", "icc", "copyright"] as const;
type MetadataKept = (typeof METADATA_KEPT)[number];

export type OutputSettings = {
  format: RecipeFormat;
  /** 1–100. */
  quality: number;
  /** Pixels of the box that the image is fitted into; an image is never enlarged. */
  width?: number;
  height?: number;
  fit: Fit;
  /** `#rrggbb`: shows through where the output cannot be transparent, and frames a `contain`. */
  background: string;
  metadata: MetadataKept;
  effort: Effort;
};

/** Settings for one output, or for several by name, each of which takes from the recipe what it does not set itself. */
export type Recipe = OutputSettings & { outputs?: NamedOutput[] };
type NamedOutput = { name: string } & Partial<OutputSettings>;

const COMMON = { fit: "inside", background: "#ffffff", metadata: "none", effort: "balanced" } as const;

/** docs/recipes.md says what each costs and saves. */
export const PRESETS = {
  /** The seed's: JPEG at quality 50, size as it came. */
  seed: { ...COMMON, format: "jpeg", quality: 50 },
  /** Looks like the original on any screen, and loads quickly. */
  balanced: { ...COMMON, format: "auto", quality: 80, width: 2048, height: 2048 },
  /** For lists and slow connections; an encoder takes several times as long. */
  small: { ...COMMON, format: "auto", quality: 70, width: 1600, height: 1600, effort: "small" },
} as const satisfies Record<string, Recipe>;
export type Preset = keyof typeof PRESETS;
export const PRESET_NAMES = Object.keys(PRESETS) as Preset[];

/**
 * What is given, and the preset's settings for the rest. The preset's box is a limit and no frame: it holds for what is fitted inside it, and
 * where no side is given at all. Beside `cover` or `contain` it would make an image of 200 x 2048 pixels of a width of 200.
 */
export function completeRecipe(preset: Preset, { outputs = [], ...given }: Partial<Recipe>): Recipe {
  const limit: Recipe = PRESETS[preset];
  const { width: _width, height: _height, ...settings } = { ...limit, ...given };
  const whole = { ...settings, ...boxWithin(limit, given) };
  if (outputs.length === 0) return whole;
  const boxes = outputs.map((output) => boxWithin(limit, { ...given, ...output }));
  const areInherited = boxes.every((box, index) => isSameBox(box, { ...whole, ...outputs[index] }));
  if (areInherited) return { ...whole, outputs };
  // A side that one is not to have must not stand in the recipe: it would take it from there.
  return { ...settings, outputs: outputs.map((output, index) => ({ ...output, ...boxes[index] })) };
}

type RecipeBox = Pick<OutputSettings, "width" | "height" | "fit">;

function boxWithin(limit: RecipeBox, given: Partial<RecipeBox>): RecipeBox {
  const { fit = limit.fit } = given;
  const [most, named] = [sidesOf(limit), sidesOf(given)];
  if (fit === "inside") return { ...most, ...named, fit };
  return Object.keys(named).length > 0 || Object.keys(most).length === 0 ? { ...named, fit } : { ...most, fit: "inside" };
}

function sidesOf({ width, height }: Partial<RecipeBox>): Pick<RecipeBox, "width" | "height"> {
  return { ...(width === undefined ? {} : { width }), ...(height === undefined ? {} : { height }) };
}

function isSameBox(one: RecipeBox, other: RecipeBox): boolean {
  return one.width === other.width && one.height === other.height && one.fit === other.fit;
}

/**
 * Whether the outputs that an earlier batch made of the same URL under the same recipe may be used again. `auto`: where the
 * origin says that nothing has changed, or sends the same bytes. `always`: everything is made anew.
 */
export const REFRESHES = ["auto", "always"] as const;
export type Refresh = (typeof REFRESHES)[number];

/** WebP's own limit is 16,383 px a side; no product image needs more in any format. */
export const SIDE_PX_MAX = 16_383;
export const OUTPUTS_MAX = 10;
/** A letter first, and no dash: behind the last dash of a file name stands then either `{n}` or `{name}`, which are never the same. */
export const OUTPUT_NAME = "^[a-z][a-z0-9_]{0,29}$";
/** The only output, where none is named. */
export const MAIN_OUTPUT = "main";

/** The complete settings of every output. A recipe that an earlier version stored may lack settings that came later. */
export function outputsOf(recipe: Recipe): ({ name: string } & OutputSettings)[] {
  const { outputs, ...settings } = { ...COMMON, ...recipe };
  if (outputs === undefined || outputs.length === 0) return [{ ...settings, name: MAIN_OUTPUT }];
  return outputs.map((output) => ({ ...settings, ...output }));
}

/** The names of the outputs; the first output stands for the image. */
export function outputNames(recipe: Recipe): string[] {
  return outputsOf(recipe).map(({ name }) => name);
}

const { jpeg, webp, avif, png } = INPUT_FILES;
export const FORMAT_FILES: Record<OutputFormat, { extension: string; mediaType: string }> = { jpeg, webp, avif, png };
