import Type, { type Static } from "typebox";
import { CREDENTIAL_OPTIONS } from "../domain/secret/secret-options.ts";
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

/** The same as query parameters: lists come as JSON, credentials not at all. */
export const UploadQuery = Type.Object({
  ...Type.Omit(UploadOptions, [...CREDENTIAL_OPTIONS, "metadata", "outputs"]).properties,
  outputs: Type.Optional(
    Type.String({
      description: "Several outputs of each image, as JSON.",
      examples: ['[{"name":"large","width":2048},{"name":"thumb","width":200}]'],
    }),
  ),
  metadata: Type.Optional(
    Type.String({
      description:
        "JSON of the caller's own about the batch, which status, lists and events give back. none, icc or copyright instead says which metadata of the images the outputs keep, as keepMetadata does.",
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
        "A name that you choose for this upload and that nobody else uses in this service, such as a UUID: at most 255 visible ASCII characters, in double quotes or without. When you send the same file with the same options again under this name, no second batch is made: the answer shows the first one as it now stands, with the header `Idempotency-Replayed: true`.",
      examples: ["5f0c9c3e-2b1d-4f6a-9d43-0c8f0f2f7a11"],
    }),
  ),
});

/** The form that holds them beside the file. */
export const UploadForm = Type.Object(
  {
    file: Type.Unsafe<Blob>({
      type: "string",
      format: "binary",
      description: "The CSV, in UTF-8, UTF-16 with a byte order mark, or Windows-1252, as it is or packed with gzip.",
    }),
    ...UploadOptions.properties,
  },
  {
    title: "UploadForm",
    additionalProperties: false,
    description: "A file and how its batch is processed.",
    examples: [{ file: CSV_EXAMPLE, format: "webp", quality: 80 }],
  },
);

export const ProductInput = Type.Object(
  {
    id: Type.Optional(
      Type.Union([Type.String({ maxLength: 500 }), Type.Integer()], {
        description: "The product's own id. It names the outputs, and the product in the result.",
        examples: ["MUG-1"],
      }),
    ),
    name: Type.Optional(Type.String({ maxLength: 10_000 })),
    images: Type.Array(Type.String({ minLength: 1, maxLength: 8192 }), { maxItems: 1_000, description: "URLs, in order." }),
  },
  {
    $id: "ProductInput",
    additionalProperties: false,
    description: "A product. In application/x-ndjson each stands on a line of its own.",
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
        description: "Or the URL of a CSV with the products, which the service fetches. As for images, private addresses are refused.",
        examples: ["https://shop.example/exports/products.csv"],
      }),
    ),
    fileName: Type.Optional(
      Type.String({
        maxLength: 255,
        description: "What the batch's file is called, for people. With csvUrl the name in that URL is taken.",
      }),
    ),
    recipe: Type.Optional(
      Type.Object(RECIPE, { title: "RecipeRequest", additionalProperties: false, description: "What is done to every image." }),
    ),
    ...BATCH_OPTIONS,
  },
  {
    $id: "BatchRequest",
    additionalProperties: false,
    description: "A batch as JSON: either `products` or `csvUrl`, and how they are processed.",
    examples: [
      {
        products: [{ id: "MUG-1", name: "Mug", images: ["https://shop.example/mug.jpg"] }],
        recipe: { format: "webp", quality: 80, width: 1200 },
        metadata: { import: 42 },
      },
    ],
  },
);

export const WARNINGS = Type.Optional(
  Type.Array(UploadWarningView, { description: "What in the upload may surprise you; absent where nothing does." }),
);
export const SHOWN_SECRET = Type.Optional(
  Type.String({
    description:
      "The secret that was made for this upload, where it brought none: keep it to verify the events. No other answer shows it, but that for an hour the same upload is answered with it again when it is repeated under its Idempotency-Key.",
  }),
);

export const Accepted = Type.Object(
  {
    requestId: RequestId,
    status: Type.Literal("pending"),
    message: Type.String(),
    products: count("Data rows of the file."),
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
