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
} from "../domain/recipe.ts";
import { words } from "./terms.ts";

const SETTINGS = {
  format: Type.Optional(words(RECIPE_FORMATS, "Format of the outputs; auto: WebP for what is transparent, else JPEG.")),
  quality: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: "1 to 100.", examples: [80] })),
  width: Type.Optional(
    Type.Integer({ minimum: 1, maximum: SIDE_PX_MAX, description: "Pixels; an image is never enlarged.", examples: [1200] }),
  ),
  height: Type.Optional(
    Type.Integer({ minimum: 1, maximum: SIDE_PX_MAX, description: "Pixels; an image is never enlarged.", examples: [1200] }),
  ),
  fit: Type.Optional(words(FITS, "How an image fits width and height.")),
  background: Type.Optional(
    Type.String({
      pattern: "^#[0-9a-fA-F]{6}$",
      description: "What shows through where the output cannot be transparent, and around a `contain`.",
      examples: ["#ffffff"],
    }),
  ),
  metadata: Type.Optional(
    words(METADATA_KEPT, "What stays of the input's metadata: nothing, its colour profile, or copyright and artist."),
  ),
  effort: Type.Optional(words(EFFORTS, "How long the encoder may look for a smaller file of the same quality.")),
};

const Outputs = Type.Array(
  Type.Object(
    {
      name: Type.String({
        pattern: OUTPUT_NAME,
        description: "Stands behind the number in the file's name: small letters, digits and `_`, a letter first.",
        examples: ["thumb"],
      }),
      ...SETTINGS,
    },
    { title: "NamedOutput", additionalProperties: false, description: "One of several outputs, and what it has of its own." },
  ),
  {
    minItems: 1,
    maxItems: OUTPUTS_MAX,
    description:
      "Several outputs of each image, from one decode; what one does not say it takes from the recipe. The first stands for the image in status and result. As JSON where it comes as a form field.",
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
  preset: Type.Optional(words(PRESET_NAMES, "What is taken where nothing else is said; seed on the seed's routes, else balanced.")),
  ...SETTINGS,
  outputs: Type.Optional(Outputs),
};
export const RecipeView = Type.Unsafe<Recipe>(
  Type.Object(
    { ...SETTINGS, outputs: RECIPE.outputs },
    { title: "Recipe", description: "What is done to every image: what the upload said, filled up from the preset." },
  ),
);

/** `metadata` is the client's own JSON, so that the option for that of images has another name; `metadata=icc` is understood as well. */
const { metadata: keepMetadata, ...FLAT_RECIPE } = RECIPE;
export const RECIPE_OPTIONS = { ...FLAT_RECIPE, keepMetadata };
