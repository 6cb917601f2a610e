import Type, { type Static } from "typebox";
import { URL_RULES } from "../domain/url/clean-image-url.ts";
import { PRODUCT_STATUSES } from "../domain/batch/product-result.ts";
import { OUTPUT_FORMATS, PRESETS } from "../domain/image/recipe.ts";
import { ImageError } from "./status.ts";
import {
  BASE,
  Bytes,
  count,
  FileName,
  ID,
  Metadata,
  Nullable,
  Outcome,
  PAUSE_AND_TIMES,
  NOT_PAUSED,
  Progress,
  Run,
  Status,
  TOKEN,
  Url,
  words,
} from "./terms.ts";
import { PauseAtFailurePercent, PauseHostAtFailurePercent } from "./batch-options.ts";
import { RecipeView } from "./recipe-options.ts";
import { SHOWN_SECRET, WARNINGS } from "./upload.ts";

const Links = Type.Object(
  {
    self: Url,
    products: Url,
    resultsCsv: Type.String({
      format: "uri",
      description:
        "The uploaded file with three columns more, and one for each further output of the recipe. With `?shape=import` it has no more columns, and the URL of each image that is done is replaced by that of its output.",
    }),
    failuresCsv: Type.String({
      format: "uri",
      description: "The rows of the uploaded file that have an image that failed or was cancelled, as they came.",
    }),
    resultsJsonl: Type.String({ format: "uri", description: "JSON Lines: a Product on each line." }),
    archive: Type.String({ format: "uri", description: "All outputs as one ZIP." }),
  },
  { title: "BatchLinks", description: "What belongs to the batch; the files are there once it has ended." },
);

const LINKS_EXAMPLE = {
  self: `${BASE}/v1/batches/${ID}`,
  products: `${BASE}/v1/batches/${ID}/products`,
  resultsCsv: `${BASE}/outputs/${TOKEN}/results.csv`,
  failuresCsv: `${BASE}/outputs/${TOKEN}/failures.csv`,
  resultsJsonl: `${BASE}/outputs/${TOKEN}/results.jsonl`,
  archive: `${BASE}/outputs/${TOKEN}/archive.zip`,
};

const WAITING_HOSTS_MAX = 100;
const WaitingHost = Type.Object(
  {
    host: Type.String({ description: "The host as URLs name it, with its port where it is not the usual one.", examples: ["cdn.example"] }),
    until: Type.String({ format: "date-time", description: "When it is asked again; it can be left alone anew then." }),
    ...ImageError.properties,
  },
  { title: "WaitingHost", description: "A host that nobody asks for now, and why." },
);

const BATCH = {
  batchId: Type.String({ format: "uuid", description: "The seed's routes call it requestId.", examples: [ID] }),
  status: Status,
  outcome: Outcome,
  run: Run,
  fileName: FileName,
  metadata: Metadata,
  recipe: RecipeView,
  sourceHosts: Type.Array(Type.String(), {
    description: "Hosts that the batch brought request headers for; the headers themselves are never shown.",
    examples: [["images.shop.example"]],
  }),
  dialect: Nullable(
    Type.String({
      description: "The shop system whose export the file was taken for; null where it is none that we know.",
      examples: ["shopify"],
    }),
  ),
  products: count("Rows of the file, those without an image included."),
  progress: Progress,
  bytes: Bytes,
  pauseAtFailurePercent: Nullable(PauseAtFailurePercent),
  pauseHostAtFailurePercent: Nullable(PauseHostAtFailurePercent),
  ...PAUSE_AND_TIMES,
  waitingHosts: Type.Optional(
    Type.Array(WaitingHost, {
      maxItems: WAITING_HOSTS_MAX,
      description: `Hosts that are left alone for a while by all batches, since they asked for that or only fail: images of theirs wait, and go on by themselves. Found among the first 20,000 images that are left. Only where one batch is asked for; at most ${WAITING_HOSTS_MAX}, those first that wait the longest.`,
    }),
  ),
  links: Links,
};

const BATCH_EXAMPLE = {
  batchId: ID,
  status: "pending",
  outcome: null,
  run: 1,
  fileName: "products.csv",
  metadata: { import: 42 },
  recipe: PRESETS.balanced,
  sourceHosts: [],
  dialect: "shopify",
  products: 2,
  progress: { total: 3, completed: 0, failed: 0, skipped: 0, reused: 0, percent: 0 },
  bytes: { input: 0, output: 0 },
  pauseAtFailurePercent: null,
  pauseHostAtFailurePercent: null,
  ...NOT_PAUSED,
  createdAt: "2026-11-23T20:00:00.000Z",
  startedAt: null,
  finishedAt: null,
  links: LINKS_EXAMPLE,
};

export const Batch = Type.Object(BATCH, { $id: "Batch", description: "How a batch stands.", examples: [BATCH_EXAMPLE] });
export type Batch = Static<typeof Batch>;

export const AcceptedBatch = Type.Object(
  { ...BATCH, warnings: WARNINGS, webhookSecret: SHOWN_SECRET },
  { $id: "AcceptedBatch", description: "The batch as it begins, with what only this answer says.", examples: [BATCH_EXAMPLE] },
);
export type AcceptedBatch = Static<typeof AcceptedBatch>;

/** The body of a resume; a resume without a body changes no budget. */
export const ResumeRequest = Type.Object(
  {
    pauseAtFailurePercent: Type.Optional(Nullable(PauseAtFailurePercent)),
    pauseHostAtFailurePercent: Type.Optional(Nullable(PauseHostAtFailurePercent)),
  },
  {
    $id: "ResumeRequest",
    additionalProperties: false,
    description: "What is to change with the resume: another budget, or none (null).",
    examples: [{ pauseAtFailurePercent: 50 }, { pauseHostAtFailurePercent: null }],
  },
);
export type ResumeRequest = Static<typeof ResumeRequest>;

const NextCursor = Nullable(Type.String({ description: "Give it as `cursor` for the next page; null on the last." }));

export const BatchList = Type.Object(
  { batches: Type.Array(Type.Ref("Batch#")), nextCursor: NextCursor },
  { $id: "BatchList", description: "Batches, the newest first.", examples: [{ batches: [BATCH_EXAMPLE], nextCursor: null }] },
);

const OutputView = Type.Object(
  {
    name: Type.String({ description: "The output's name in the recipe; main where the recipe names none." }),
    url: Url,
    fileName: Type.String(),
    format: words(OUTPUT_FORMATS, "The file's format.", { title: "OutputFormat" }),
    width: count("Width in pixels."),
    height: count("Height in pixels."),
    bytes: count("Bytes of the file."),
    quality: Nullable(
      Type.Integer({
        minimum: 1,
        maximum: 100,
        description: "The quality that it was compressed with; null where it is kept or lossless (a PNG of quality 100).",
      }),
    ),
    isKept: Type.Boolean({
      description: "Whether the output is the input itself without its metadata, since nothing smaller could be made of it.",
    }),
    encodeMs: Nullable(count("Milliseconds that an encoder took for it alone; null where an earlier batch had made it.")),
  },
  { title: "ImageOutput", description: "A file made from an image." },
);

const ImageView = Type.Object(
  {
    url: Type.String({ description: "The URL as it came." }),
    fetchedUrl: Nullable(
      Type.String({ description: "The URL that is fetched for it; null until the image is planned, and where it is no URL." }),
    ),
    urlRules: Type.Array(words(URL_RULES, "What was done to the URL.", { title: "UrlRule" }), {
      description: "Which rules made fetchedUrl out of url, in the order in which they did; empty where nothing had to be done.",
    }),
    outputs: Type.Array(OutputView, { description: "The files that were made of it; empty where there is none (yet)." }),
    error: Nullable(ImageError),
  },
  { title: "ProductImage", description: "One URL at one position of one product." },
);

export const PRODUCT_EXAMPLE = {
  line: 2,
  id: "MUG-1",
  name: "Mug",
  status: "completed",
  images: [
    {
      url: "//shop.example/mug.jpg",
      fetchedUrl: "https://shop.example/mug.jpg",
      urlRules: ["scheme_added"],
      outputs: [
        {
          name: "main",
          url: `${BASE}/outputs/${TOKEN}/MUG-1-1.jpg`,
          fileName: "MUG-1-1.jpg",
          format: "jpeg",
          width: 1200,
          height: 900,
          bytes: 31_000,
          quality: 80,
          isKept: false,
          encodeMs: 95,
        },
      ],
      error: null,
    },
  ],
};

export const Product = Type.Object(
  {
    line: Type.Integer({
      minimum: 1,
      description: "The line of the file in which it begins, or the number of the product where products came as JSON.",
    }),
    id: Type.String({ description: "The product's own id, or its line where it has none." }),
    name: Type.String(),
    status: words(PRODUCT_STATUSES, "pending until all of its images are settled."),
    images: Type.Array(ImageView),
  },
  {
    $id: "Product",
    description: "A product of the file with its images.",
    examples: [PRODUCT_EXAMPLE],
  },
);
export type Product = Static<typeof Product>;

export const ProductList = Type.Object(
  { products: Type.Array(Type.Ref("Product#")), nextCursor: NextCursor },
  {
    $id: "ProductList",
    description: "A page of a batch's products, in the order of the file.",
    examples: [{ products: [PRODUCT_EXAMPLE], nextCursor: null }],
  },
);
