import Type, { type Static } from "typebox";
import { EVENT_TYPES } from "../domain/batch/batch-event.ts";
import { SEED_BODY_BYTES_MAX, SEED_PRODUCTS_MAX } from "../domain/batch/seed-payload.ts";
import { PRODUCT_STATUS_EXAMPLE, ProductStatus } from "./status.ts";
import {
  BASE,
  Bytes,
  count,
  FileName,
  ID,
  Instant,
  Metadata,
  Nullable,
  Outcome,
  PAUSE_REASON,
  PAUSED_HOST,
  PausedAt,
  PausedHost,
  PauseReason,
  RequestId,
  Status,
  TOKEN,
  Url,
  words,
} from "./terms.ts";

const EXAMPLE = {
  requestId: ID,
  run: 1,
  fileName: "products.csv",
  metadata: {},
  outputCsvUrl: `${BASE}/outputs/${TOKEN}/results.csv`,
  statusUrl: `${BASE}/getProcessingStatus/${ID}`,
};

const EventProgress = Type.Object(
  {
    total: count("Images in the batch."),
    completed: count("Images with an output."),
    failed: count("Images that failed."),
    skipped: count("Images that were never tried, or not to an end, because the batch was cancelled."),
    reused: count(
      "How many of the completed images have the outputs that an earlier batch had made. A URL that the file has several times counts once.",
    ),
  },
  { title: "BatchEventProgress", description: "How far the batch was." },
);

export const BatchEvent = Type.Object(
  {
    type: words(EVENT_TYPES, "What happened.", { title: "EventType" }),
    timestamp: Instant,
    data: Type.Object(
      {
        requestId: RequestId,
        status: Status,
        outcome: Outcome,
        run: Type.Integer({ minimum: 1 }),
        fileName: FileName,
        metadata: Metadata,
        progress: EventProgress,
        bytes: Bytes,
        pausedAt: PausedAt,
        pauseReason: PauseReason,
        pausedHost: Nullable(PausedHost),
        outputCsvUrl: Url,
        statusUrl: Url,
      },
      { title: "BatchEventData", description: "The batch as it stood then." },
    ),
  },
  {
    $id: "BatchEvent",
    description:
      "Sent once a run of a batch has ended, and each time that a batch or one of its hosts is paused or resumed, signed as Standard Webhooks says (webhook-id, webhook-timestamp, webhook-signature).",
    examples: [
      {
        type: "batch.completed",
        timestamp: "2026-11-23T20:00:01.000Z",
        data: {
          ...EXAMPLE,
          status: "completed",
          outcome: "all",
          progress: { total: 2, completed: 2, failed: 0, skipped: 0, reused: 0 },
          bytes: { input: 280_000, output: 62_000 },
          pausedAt: null,
          pauseReason: null,
          pausedHost: null,
        },
      },
      {
        type: "batch.paused",
        timestamp: "2026-11-23T20:00:01.000Z",
        data: {
          ...EXAMPLE,
          status: "processing",
          outcome: null,
          progress: { total: 900, completed: 69, failed: 31, skipped: 0, reused: 0 },
          bytes: { input: 9_660_000, output: 2_139_000 },
          pausedAt: "2026-11-23T20:00:01.000Z",
          pauseReason: PAUSE_REASON,
          pausedHost: null,
        },
      },
      {
        type: "batch.host_paused",
        timestamp: "2026-11-23T20:00:01.000Z",
        data: {
          ...EXAMPLE,
          status: "processing",
          outcome: null,
          progress: { total: 900, completed: 114, failed: 26, skipped: 0, reused: 0 },
          bytes: { input: 15_960_000, output: 3_534_000 },
          pausedAt: null,
          pauseReason: null,
          pausedHost: PAUSED_HOST,
        },
      },
    ],
  },
);

export type BatchEvent = Static<typeof BatchEvent>;

/** The payload for receivers that were written for the seed (domain/batch/seed-payload.ts). */
export const SeedEvent = Type.Object(
  {
    requestId: RequestId,
    status: Status,
    message: Type.String({ description: "How the batch ended, for people." }),
    products: Type.Array(ProductStatus, {
      maxItems: SEED_PRODUCTS_MAX,
      description: `The first products, whole ones: at most ${SEED_PRODUCTS_MAX}, and fewer where the body would have more than ${SEED_BODY_BYTES_MAX} bytes.`,
    }),
    productsTotal: count("Products of the batch, whether they are in `products` or not."),
    isTruncated: Type.Boolean({ description: "Whether there are more products than `products` holds." }),
    nextUrl: Nullable(
      Type.String({
        format: "uri",
        description:
          "Where the products are that are missing here: the page of the batch's status that begins with the first of them; its nextCursor leads on to the next page. Null where none is missing.",
      }),
    ),
    outputCsvUrl: Url,
  },
  {
    $id: "SeedEvent",
    description:
      "The webhook of webhookPayload=seed: sent once a run of a batch has ended, and at no pause or resume. Signed like every other.",
    examples: [
      {
        requestId: ID,
        status: "completed",
        message: "1 of 2 images are done, 1 failed.",
        products: [PRODUCT_STATUS_EXAMPLE],
        productsTotal: 1,
        isTruncated: false,
        nextUrl: null,
        outputCsvUrl: `${BASE}/outputs/${TOKEN}/results.csv`,
      },
    ],
  },
);
