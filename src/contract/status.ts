import Type, { type Static } from "typebox";
import {
  BASE,
  Bytes,
  FileName,
  ID,
  ImageErrorCode,
  Metadata,
  NOT_PAUSED,
  Nullable,
  Outcome,
  PAUSE_AND_TIMES,
  Progress,
  RequestId,
  Run,
  Status,
  TOKEN,
  Url,
} from "./terms.ts";

export const ImageError = Type.Object(
  { code: ImageErrorCode, message: Type.String({ description: "What happened, for people." }) },
  { title: "ImageError", description: "Why an image has no output." },
);

export const ProductStatus = Type.Object(
  {
    serialNumber: Type.String(),
    productName: Type.String(),
    inputImageUrls: Type.Array(Type.String(), { description: "As they came in the file." }),
    outputImageUrls: Type.Array(Nullable(Type.String()), { description: "One for each input URL; null where there is no output (yet)." }),
    errors: Type.Array(Nullable(ImageError), { description: "One for each input URL; null where nothing went wrong." }),
  },
  { title: "ProductStatus", description: "A product of the file; its three lists have the same length and order." },
);

/** A product with one image that is done and one that failed. */
export const PRODUCT_STATUS_EXAMPLE = {
  serialNumber: "1",
  productName: "Mug",
  inputImageUrls: ["https://shop.example/mug.jpg", "https://shop.example/gone.jpg"],
  outputImageUrls: [`${BASE}/outputs/${TOKEN}/1-1.jpg`, null],
  errors: [null, { code: "not_found", message: "The server answered with status 404." }],
};

export const BatchStatusView = Type.Object(
  {
    requestId: RequestId,
    status: Status,
    outcome: Outcome,
    run: Run,
    fileName: FileName,
    metadata: Metadata,
    progress: Progress,
    bytes: Bytes,
    ...PAUSE_AND_TIMES,
    outputCsvUrl: Url,
    products: Type.Array(ProductStatus),
    nextCursor: Nullable(Type.String({ description: "Give it as `cursor` for the next page; null on the last." })),
  },
  {
    $id: "ProcessingStatus",
    description: "How a batch stands, with a page of its products.",
    examples: [
      {
        requestId: ID,
        status: "completed",
        outcome: "some",
        run: 1,
        fileName: "products.csv",
        metadata: {},
        progress: { total: 2, completed: 1, failed: 1, skipped: 0, reused: 0, percent: 100 },
        bytes: { input: 140_000, output: 31_000 },
        ...NOT_PAUSED,
        createdAt: "2026-11-23T20:00:00.000Z",
        startedAt: "2026-11-23T20:00:00.100Z",
        finishedAt: "2026-11-23T20:00:01.000Z",
        outputCsvUrl: `${BASE}/outputs/${TOKEN}/results.csv`,
        products: [PRODUCT_STATUS_EXAMPLE],
        nextCursor: null,
      },
    ],
  },
);
export type BatchStatusView = Static<typeof BatchStatusView>;
