import Type from "typebox";
import {
  EFFORTS,
  FITS,
  METADATA_KEPT,
  OUTPUT_NAME,
  OUTPUTS_MAX,
  PRESET_NAMES,
  RECIPE_FORMATS,
  SIDE_PX_MAX,
  type Recipe,
} from "../domain/image/recipe.ts";
import { words } from "./terms.ts";

const SETTINGS = {
  format: Type.Optional(
    words(
      RECIPE_FORMATS,
      "Format of the outputs. `auto` makes a WebP of an image that is transparent somewhere, and a JPEG of any other.",
      { title: "RecipeFormat" },
    ),
  ),
  quality: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 100,
      description: "How exactly an output shows its image, from 1 (smallest file) to 100 (best picture).",
      examples: [80],
    }),
  ),
  width: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: SIDE_PX_MAX,
      description: "Width in pixels that an image is fitted into; it is never enlarged.",
      examples: [1200],
    }),
  ),
  height: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: SIDE_PX_MAX,
      description: "Height in pixels that an image is fitted into; it is never enlarged.",
      examples: [1200],
    }),
  ),
  fit: Type.Optional(
    words(
      FITS,
      "How an image is fitted into width and height: inside scales the whole image into them, cover crops it, contain adds a frame of the `background`, fill stretches it, outside scales it until it covers both.",
      { title: "Fit" },
    ),
  ),
  background: Type.Optional(
    Type.String({
      pattern: "^#[0-9a-fA-F]{6}$",
      description:
        "Colour behind transparent parts of an image where the output's format has no transparency, and of the frame that `contain` adds.",
      examples: ["#ffffff"],
    }),
  ),
  metadata: Type.Optional(
    words(
      METADATA_KEPT,
      "Which metadata of the input an output keeps. none: nothing; icc: the colour profile; copyright: copyright and artist.",
      { title: "MetadataKept" },
    ),
  ),
  effort: Type.Optional(words(EFFORTS, "How long the encoder may look for a smaller file of the same quality.", { title: "Effort" })),
};

const Outputs = Type.Array(
  Type.Object(
    {
      name: Type.String({
        pattern: OUTPUT_NAME,
        description:
          "Its name, which ends the names of its files (`MUG-1-1-thumb.jpg`): small letters, digits and `_`, beginning with a letter.",
        examples: ["thumb"],
      }),
      ...SETTINGS,
    },
    {
      title: "NamedOutput",
      additionalProperties: false,
      description: "One of several outputs, with the settings in which it differs from the recipe.",
    },
  ),
  {
    minItems: 1,
    maxItems: OUTPUTS_MAX,
    description:
      "Several outputs to make of each image. A setting that an output leaves out is taken from the recipe. In status and result the first output stands for the image. A form field holds the list as JSON.",
    examples: [
      [
        { name: "large", width: 2048 },
        { name: "thumb", width: 200, height: 200, fit: "cover" },
      ],
    ],
  },
);
/** The recipe as the API shows it. */
export const RECIPE = {
  preset: Type.Optional(
    words(
      PRESET_NAMES,
      "Which values the settings have that the upload does not name. The default is seed on the seed's routes, and balanced on all others.",
      { title: "Preset" },
    ),
  ),
  ...SETTINGS,
  outputs: Type.Optional(Outputs),
};
export const RecipeView = Type.Unsafe<Recipe>(
  Type.Object(
    { ...SETTINGS, outputs: RECIPE.outputs },
    {
      title: "Recipe",
      description: "What is done to every image: the settings that the upload named, and those of the preset for the others.",
    },
  ),
);

/** `metadata` is the client's own JSON, so that the option for that of images has another name; `metadata=icc` is understood as well. */
const { metadata: keepMetadata, ...FLAT_RECIPE } = RECIPE;
export const RECIPE_OPTIONS = { ...FLAT_RECIPE, keepMetadata };
