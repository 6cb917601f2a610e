import Type, { type Static } from "typebox";
import { BATCH_OUTCOMES, BATCH_STATUSES, EVENT_TYPES } from "../domain/batch-state.ts";
import { CSV_PROBLEM_CODES } from "../domain/csv-problem.ts";
import { IMAGE_CODES } from "../domain/image-code.ts";
import { PROBLEMS } from "../domain/problem.ts";
import { FITS, OUTPUT_FORMATS, SIDE_PX_MAX } from "../domain/recipe.ts";

const ID = "019abc12-3456-7def-8123-456789abcdef";
const TOKEN = "q3Jb0m8YcT6nXo4Zr1sWvA";
const BASE = "http://127.0.0.1:3000";

const words = <const Values extends readonly string[]>(values: Values, description: string) => Type.Unsafe<Values[number]>({ type: "string", enum: [...values], description });
const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const count = (description: string) => Type.Integer({ minimum: 0, description });
const Instant = Type.String({ format: "date-time", description: "ISO 8601, UTC." });
const Url = Type.String({ format: "uri", description: "An absolute URL." });

export const RequestId = Type.String({ format: "uuid", description: "The batch's id, as the upload returned it.", examples: [ID] });

/** Form fields and query parameters come as text; numbers are read from it. */
export const UploadOptions = Type.Object(
  {
    webhookUrl: Type.Optional(Type.String({ minLength: 1, maxLength: 2048, description: "Where the event is sent when the batch ends.", examples: ["https://shop.example/hooks/pressrun"] })),
    webhookSecret: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: "Signs the event: base64 of 24 to 64 bytes, with or without `whsec_`. Made for you where it is missing." })),
    format: Type.Optional(words(OUTPUT_FORMATS, "Format of the outputs; jpeg unless told otherwise.")),
    quality: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: "1 to 100; 50 unless told otherwise.", examples: [50] })),
    width: Type.Optional(Type.Integer({ minimum: 1, maximum: SIDE_PX_MAX, description: "Pixels; an image is never enlarged.", examples: [1200] })),
    height: Type.Optional(Type.Integer({ minimum: 1, maximum: SIDE_PX_MAX, description: "Pixels; an image is never enlarged.", examples: [1200] })),
    fit: Type.Optional(words(FITS, "How an image fits width and height; inside unless told otherwise.")),
    onInvalid: Type.Optional(words(["reject", "skip"], "A bad URL refuses the whole file (reject), or is skipped as a failed image (skip).")),
  },
  { $id: "UploadOptions", additionalProperties: false, description: "How a batch is processed." },
);
export type UploadOptions = Static<typeof UploadOptions>;

export const Accepted = Type.Object(
  {
    requestId: RequestId,
    status: Type.Literal("pending"),
    message: Type.String(),
    products: count("Rows of the file that are products."),
    images: count("Image URLs in the file."),
    statusUrl: Url,
    outputCsvUrl: Url,
    webhookSecret: Type.Optional(Type.String({ description: "Only here, and only where one was made for this upload: keep it to verify the event." })),
  },
  {
    $id: "Accepted",
    description: "The upload is stored and its first images are queued.",
    examples: [{
      requestId: ID, status: "pending", message: "2 products with 3 images are queued.", products: 2, images: 3,
      statusUrl: `${BASE}/getProcessingStatus/${ID}`, outputCsvUrl: `${BASE}/outputs/${TOKEN}/results.csv`,
    }],
  },
);
export type Accepted = Static<typeof Accepted>;

export const Progress = Type.Object(
  {
    total: count("Images in the batch."),
    completed: count("Images with an output."),
    failed: count("Images without one, for a reason that `errors` tells."),
    skipped: count("Images that were never tried, because the batch was cancelled."),
    percent: Type.Integer({ minimum: 0, maximum: 100, description: "Settled images; 100 only when all are." }),
  },
);

export const ImageError = Type.Object(
  { code: words(Object.keys(IMAGE_CODES), "A stable code."), message: Type.String({ description: "What happened, for people." }) },
);

export const ProductStatus = Type.Object(
  {
    serialNumber: Type.String(),
    productName: Type.String(),
    inputImageUrls: Type.Array(Type.String(), { description: "As they came in the file." }),
    outputImageUrls: Type.Array(Nullable(Type.String()), { description: "One for each input URL; null where there is no output (yet)." }),
    errors: Type.Array(Nullable(ImageError), { description: "One for each input URL; null where nothing went wrong." }),
  },
);

export const BatchStatusView = Type.Object(
  {
    requestId: RequestId,
    status: words(BATCH_STATUSES, "completed: all settled and at least one succeeded; failed: none did."),
    outcome: Nullable(words(BATCH_OUTCOMES, "How much succeeded, once all is settled.")),
    run: Type.Integer({ minimum: 1, description: "1, and one more for each time that failed images were tried again." }),
    progress: Progress,
    bytes: Type.Object({ input: count("Bytes of the originals of completed images."), output: count("Bytes of their outputs.") }),
    createdAt: Instant,
    startedAt: Nullable(Instant),
    finishedAt: Nullable(Instant),
    outputCsvUrl: Url,
    products: Type.Array(ProductStatus),
    nextCursor: Nullable(Type.String({ description: "Give it as `cursor` for the next page; null on the last." })),
  },
  {
    $id: "BatchStatus",
    description: "How a batch stands, with a page of its products.",
    examples: [{
      requestId: ID, status: "completed", outcome: "some", run: 1,
      progress: { total: 2, completed: 1, failed: 1, skipped: 0, percent: 100 }, bytes: { input: 140_000, output: 31_000 },
      createdAt: "2026-11-23T20:00:00.000Z", startedAt: "2026-11-23T20:00:00.100Z", finishedAt: "2026-11-23T20:00:01.000Z",
      outputCsvUrl: `${BASE}/outputs/${TOKEN}/results.csv`,
      products: [{
        serialNumber: "1", productName: "Mug",
        inputImageUrls: ["https://shop.example/mug.jpg", "https://shop.example/gone.jpg"],
        outputImageUrls: [`${BASE}/outputs/${TOKEN}/1-1.jpg`, null],
        errors: [null, { code: "not_found", message: "The server answered with status 404." }],
      }],
      nextCursor: null,
    }],
  },
);
export type BatchStatusView = Static<typeof BatchStatusView>;

export const CsvProblemView = Type.Object(
  {
    line: Type.Integer({ minimum: 1, description: "Physical line of the file." }),
    column: Nullable(Type.String()),
    code: words(CSV_PROBLEM_CODES, "A stable code."),
    message: Type.String({ description: "What was expected, what came, and the way out." }),
  },
);

export const Problem = Type.Object(
  {
    type: Type.String({ description: "about:blank: the code says it all." }),
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    detail: Type.String(),
    code: words(Object.keys(PROBLEMS), "A stable code."),
    error: Type.Optional(Type.String({ description: "The detail once more, on the seed's two routes." })),
    errors: Type.Optional(Type.Array(Type.Union([CsvProblemView, Type.Object({ field: Type.String(), message: Type.String() })]), { description: "The first hundred problems of a CSV, or all faults of the options." })),
    errorCount: Type.Optional(count("How many problems there are in all.")),
  },
  {
    $id: "Problem",
    description: "RFC 9457 problem details.",
    examples: [{ type: "about:blank", title: "There is no such request", status: 404, detail: "Expected the requestId of an upload.", code: "batch_not_found" }],
  },
);
export type Problem = Static<typeof Problem>;

export const BatchEvent = Type.Object(
  {
    type: words(EVENT_TYPES, "What happened."),
    timestamp: Instant,
    data: Type.Object({
      requestId: RequestId,
      status: words(["completed", "failed"], "The batch's status."),
      outcome: words(BATCH_OUTCOMES, "How much succeeded."),
      run: Type.Integer({ minimum: 1 }),
      progress: Type.Object({ total: count("Images."), completed: count("Images."), failed: count("Images."), skipped: count("Images.") }),
      bytes: Type.Object({ input: count("Bytes."), output: count("Bytes.") }),
      outputCsvUrl: Url,
      statusUrl: Url,
    }),
  },
  {
    $id: "BatchEvent",
    description: "Sent once a run of a batch has ended, signed as Standard Webhooks says (webhook-id, webhook-timestamp, webhook-signature).",
    examples: [{
      type: "batch.completed", timestamp: "2026-11-23T20:00:01.000Z",
      data: {
        requestId: ID, status: "completed", outcome: "all", run: 1, progress: { total: 2, completed: 2, failed: 0, skipped: 0 },
        bytes: { input: 280_000, output: 62_000 }, outputCsvUrl: `${BASE}/outputs/${TOKEN}/results.csv`, statusUrl: `${BASE}/getProcessingStatus/${ID}`,
      },
    }],
  },
);
