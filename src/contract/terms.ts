import Type from "typebox";
import { BATCH_OUTCOMES, BATCH_STATUSES } from "../domain/batch/batch-state.ts";
import { IMAGE_CODES } from "../domain/image/image-code.ts";

/** What the schemas share: example values, and parts of schemas. */
export const ID = "019abc12-3456-7def-8123-456789abcdef";
export const TOKEN = "q3Jb0m8YcT6nXo4Zr1sWvA";
export const BASE = "http://127.0.0.1:3000";

export const RESULT_EXAMPLE = `S. No,Product Name,Input Image Urls,Output Image Urls,Status,Errors\n1,Mug,https://shop.example/mug.jpg,${BASE}/outputs/${TOKEN}/1-1.jpg,completed,\n`;
export const FAILURES_EXAMPLE = "S. No,Product Name,Input Image Urls\n2,Cup,https://shop.example/gone.jpg\n";

/** A `title` names the type in the document and in generated clients: see http/document/name-schemas.ts. */
export const words = <const Values extends readonly string[]>(values: Values, description: string, more: { title?: string } = {}) =>
  Type.Unsafe<Values[number]>({ type: "string", enum: [...values], description, ...more });
export const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
export const count = (description: string) => Type.Integer({ minimum: 0, description });
export const Instant = Type.String({ format: "date-time", description: "A time as ISO 8601, in UTC." });
export const Url = Type.String({ format: "uri", description: "An absolute URL." });

export const RequestId = Type.String({
  format: "uuid",
  description: "The id of the batch, as the answer to the upload gave it.",
  examples: [ID],
});
export const Token = Type.String({
  description: "The batch's secret token, as it stands in the URLs of outputs and results.",
  examples: ["q3Jb0m8YcT6nXo4Zr1sWvA"],
});
export const FileName = Nullable(
  Type.String({ description: "What the uploaded file was called; null where it had no name.", examples: ["products.csv"] }),
);
export const Metadata = Type.Record(Type.String(), Type.Unknown(), {
  title: "Metadata",
  description:
    "The caller's own words about the batch, as they came with the upload: at most 8,192 characters of JSON, 32 levels deep; numbers beyond 9007199254740991 as text.",
  examples: [{ shop: "north", import: 42 }],
});

export const PAUSE_REASON =
  "31 of 100 images failed (31 %), more than the 30 % that pauseAtFailurePercent allows; mostly forbidden from cdn.example.";
export const PausedAt = Nullable(
  Type.String({ format: "date-time", description: "Since when nothing new of the batch is tried; null while it is not paused." }),
);
export const PauseReason = Nullable(
  Type.String({ description: "Why it is paused, for people; null while it is not.", examples: [PAUSE_REASON] }),
);

const HOST_PAUSE_REASON =
  "26 of 40 images of cdn.example failed (65 %), more than the 50 % that pauseHostAtFailurePercent allows; mostly forbidden.";
export const PAUSED_HOST = {
  host: "cdn.example",
  settled: 40,
  failed: 26,
  failedPercent: 65,
  pausedAt: "2026-11-23T20:00:01.000Z",
  pauseReason: HOST_PAUSE_REASON,
  imagesHeld: 260,
  resumeUrl: `${BASE}/v1/batches/${ID}/resume?host=cdn.example`,
};
export const PausedHost = Type.Object(
  {
    host: Type.String({ description: "The host as URLs name it, with its port where it is not the usual one.", examples: ["cdn.example"] }),
    settled: count("Its images that were tried and settled since the upload, or since it was last resumed."),
    failed: count("How many of those failed."),
    failedPercent: Type.Number({ minimum: 0, maximum: 100, description: "`failed` in per cent of `settled`." }),
    pausedAt: Instant,
    pauseReason: Type.String({ description: "Why it is paused, for people." }),
    imagesHeld: count("How many of its images wait for the resume. Images that are not planned yet are not counted."),
    resumeUrl: Type.String({ format: "uri", description: "Send a POST to this URL to resume this host and no other." }),
  },
  {
    title: "PausedHost",
    description: "A host whose share of a batch is paused: its images are not tried until it is resumed.",
    examples: [PAUSED_HOST],
  },
);
const PAUSED_HOSTS_MAX = 100;
/** Shown beside the pause of the whole batch. */
const PAUSED_HOSTS = {
  pausedHosts: Type.Array(PausedHost, {
    maxItems: PAUSED_HOSTS_MAX,
    description: `Hosts whose images are not tried until the host is resumed, while the images of other hosts go on. At most ${PAUSED_HOSTS_MAX} are listed, those first that hold back the most images.`,
  }),
  hostsPaused: count("How many hosts are paused in all."),
  imagesHeld: count("How many images of all paused hosts wait for the resume. Images that are not planned yet are not counted."),
};

export const Status = words(
  BATCH_STATUSES,
  "completed: all images are settled and at least one succeeded. failed: all are settled and none succeeded. cancelled: it has ended before all were tried, because somebody cancelled it. A batch that is paused keeps the status that it had.",
  { title: "BatchStatus" },
);
export const Outcome = Nullable(
  words(BATCH_OUTCOMES, "How many images succeeded: all, some or none. Null until all are settled.", { title: "BatchOutcome" }),
);
export const ImageErrorCode = words(Object.keys(IMAGE_CODES), "A stable code: the same in the API, the result CSV, webhooks and SQL.", {
  title: "ImageErrorCode",
});
export const Bytes = Type.Object(
  { input: count("Bytes of the originals of completed images."), output: count("Bytes of their outputs.") },
  { title: "Bytes", description: "How many bytes went in, and how many came out." },
);

export const Progress = Type.Object(
  {
    total: count("Images in the batch."),
    completed: count("Images with an output."),
    failed: count("Images without one. Why is told with each: `error` of an image of /v1, `errors` of a product on the seed's routes."),
    skipped: count("Images that were never tried, or not to an end, because the batch was cancelled."),
    reused: count(
      "How many of the completed images have the outputs that an earlier batch had made, since nothing had changed. A URL that the file has several times counts once.",
    ),
    percent: Type.Integer({ minimum: 0, maximum: 100, description: "How many per cent of the images are settled; 100 only when all are." }),
  },
  { title: "Progress", description: "How far a batch is." },
);

export const Run = Type.Integer({
  minimum: 1,
  description: "Always 1 for now. A later version may try failed images again; that will be run 2.",
});

/** In examples. */
export const NOT_PAUSED = { pausedAt: null, pauseReason: null, cancelledAt: null, pausedHosts: [], hostsPaused: 0, imagesHeld: 0 };

/** Whether a batch is paused, and its times: part of every schema that shows its state. */
export const PAUSE_AND_TIMES = {
  pausedAt: PausedAt,
  pauseReason: PauseReason,
  cancelledAt: Nullable(
    Type.String({
      format: "date-time",
      description:
        "When it was cancelled; null where it was not. Nothing new of it is tried from then on, and it ends once what was in hand has ended.",
    }),
  ),
  ...PAUSED_HOSTS,
  createdAt: Instant,
  startedAt: Nullable(Instant),
  finishedAt: Nullable(Instant),
};
