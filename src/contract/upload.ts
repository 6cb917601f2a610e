import Type, { type Static } from "typebox";
import { BATCH_OPTIONS } from "./batch-options.ts";
import { UploadWarningView } from "./problem.ts";
import { RECIPE, RECIPE_OPTIONS } from "./recipe-options.ts";
import { BASE, count, ID, RequestId, TOKEN, Url } from "./terms.ts";

/** A body that is the file itself. */
export const CSV_EXAMPLE = "S. No,Product Name,Input Image Urls\n1,Mug,https://shop.example/mug.jpg\n";

/** Form fields and query parameters come as text; numbers are read from it, and `metadata` is JSON. */
export const UploadOptions = Type.Object(
  {
    ...RECIPE_OPTIONS,
    ...BATCH_OPTIONS,
  },
  { $id: "UploadOptions", additionalProperties: false, description: "How a batch is processed." },
);
export type UploadOptions = Static<typeof UploadOptions>;

const { sourceHeaders: _notInUrls, metadata: _asText, outputs: _asTextToo, ...FLAT_OPTIONS } = UploadOptions.properties;
/** The same as query parameters: lists come as JSON, and `sourceHeaders` may not come, since every proxy logs URLs. */
export const UploadQuery = Type.Object({
  ...FLAT_OPTIONS,
  outputs: Type.Optional(
    Type.String({
      description: "Several outputs of each image, as JSON.",
      examples: ['[{"name":"large","width":2048},{"name":"thumb","width":200}]'],
    }),
  ),
  metadata: Type.Optional(
    Type.String({
      description:
        "The caller's own words about the batch as JSON, handed back in status, lists and events; or what stays of the images' metadata (none, icc, copyright).",
      examples: ['{"import":42}'],
    }),
  ),
});

/** The headers of every route that takes an upload. */
export const UploadHeaders = Type.Object({
  "idempotency-key": Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 257,
      description:
        "A name of your own for this upload, such as a UUID, in double quotes or without: at most 255 visible ASCII characters, and nobody else's in this service. Sent again under it, the same file with the same options makes no second batch: the answer has the first one as it stands by now, with the header `Idempotency-Replayed: true`.",
      examples: ["5f0c9c3e-2b1d-4f6a-9d43-0c8f0f2f7a11"],
    }),
  ),
});

/** The form that holds them beside the file. */
export const UploadForm = Type.Object(
  {
    file: Type.Unsafe<Blob>({ type: "string", format: "binary", description: "The CSV, in any encoding, as it is or packed with gzip." }),
    ...UploadOptions.properties,
  },
  {
    title: "UploadForm",
    description: "A file and how its batch is processed.",
    examples: [{ file: CSV_EXAMPLE, format: "webp", quality: 80 }],
  },
);

export const ProductInput = Type.Object(
  {
    id: Type.Optional(
      Type.Union([Type.String({ maxLength: 500 }), Type.Integer()], {
        description: "Names the outputs, and the product in the result.",
        examples: ["MUG-1"],
      }),
    ),
    name: Type.Optional(Type.String({ maxLength: 10_000 })),
    images: Type.Array(Type.String({ minLength: 1, maxLength: 8192 }), { maxItems: 1_000, description: "URLs, in order." }),
  },
  {
    $id: "ProductInput",
    description: "A product; on a line of its own in application/x-ndjson.",
    examples: [{ id: "MUG-1", name: "Mug", images: ["https://shop.example/mug.jpg"] }],
  },
);
export type ProductInput = Static<typeof ProductInput>;

export const BatchRequest = Type.Object(
  {
    products: Type.Optional(Type.Array(Type.Ref("ProductInput#"), { description: "The products themselves." })),
    csvUrl: Type.Optional(
      Type.String({
        maxLength: 8192,
        description: "Or where their CSV lies: it is fetched through the address guard.",
        examples: ["https://shop.example/exports/products.csv"],
      }),
    ),
    fileName: Type.Optional(Type.String({ maxLength: 255, description: "A name for people; csvUrl has its own." })),
    recipe: Type.Optional(
      Type.Object(RECIPE, { title: "RecipeRequest", additionalProperties: false, description: "What is done to every image." }),
    ),
    ...BATCH_OPTIONS,
  },
  {
    $id: "BatchRequest",
    additionalProperties: false,
    description: "A batch as JSON: `products` or `csvUrl`, and how they are processed.",
    examples: [
      {
        products: [{ id: "MUG-1", name: "Mug", images: ["https://shop.example/mug.jpg"] }],
        recipe: { format: "webp", quality: 80, width: 1200 },
        metadata: { import: 42 },
      },
    ],
  },
);

export const WARNINGS = Type.Optional(Type.Array(UploadWarningView, { description: "What may surprise; absent where nothing does." }));
export const SHOWN_SECRET = Type.Optional(
  Type.String({
    description:
      "Only here, and only where one was made for this upload: keep it to verify the events. For an hour it is told again to who sends the upload again under its Idempotency-Key.",
  }),
);

export const Accepted = Type.Object(
  {
    requestId: RequestId,
    status: Type.Literal("pending"),
    message: Type.String(),
    products: count("Rows of the file that are products."),
    images: count("Image URLs in the file."),
    statusUrl: Url,
    outputCsvUrl: Url,
    warnings: WARNINGS,
    webhookSecret: SHOWN_SECRET,
  },
  {
    $id: "Accepted",
    description: "The upload is stored and its first images are queued.",
    examples: [
      {
        requestId: ID,
        status: "pending",
        message: "2 products with 3 images are queued.",
        products: 2,
        images: 3,
        statusUrl: `${BASE}/getProcessingStatus/${ID}`,
        outputCsvUrl: `${BASE}/outputs/${TOKEN}/results.csv`,
      },
    ],
  },
);
export type Accepted = Static<typeof Accepted>;
