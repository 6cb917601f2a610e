import Type, { type Static } from "typebox";
import { CsvProblemView } from "./problem.ts";
import { count, FileName, ImageErrorCode, Nullable } from "./terms.ts";
import { BatchRequest, CSV_EXAMPLE, UploadForm, UploadOptions, UploadQuery, WARNINGS } from "./upload.ts";

/** The client waits for all of them, and each is a download of up to 50 MB. */
const PROBE_MAX = 200;

export const Probe = Type.Integer({
  minimum: 0,
  maximum: PROBE_MAX,
  description:
    "How many of the file's images are really fetched to forecast the batch, drawn at random from all hosts, with the sourceHeaders for those that have some; a minute in all is given to it. The default is 0: none.",
  examples: [20],
});

/** All options of POST /v1/batches may be given here as well, whether they matter or not. */
export const PreflightOptions = Type.Object({ ...UploadOptions.properties, probe: Type.Optional(Probe) }, { additionalProperties: false });
export type PreflightOptions = Static<typeof PreflightOptions>;
export const PreflightQuery = Type.Object({ ...UploadQuery.properties, probe: Type.Optional(Probe) });
export const PreflightForm = Type.Object(
  { ...UploadForm.properties, probe: Type.Optional(Probe) },
  {
    title: "PreflightForm",
    additionalProperties: false,
    description: "A file to look at, with the options that its upload would have.",
    examples: [{ file: CSV_EXAMPLE, probe: 20 }],
  },
);
export const PreflightRequest = Type.Object(
  { ...BatchRequest.properties, probe: Type.Optional(Probe) },
  {
    $id: "PreflightRequest",
    additionalProperties: false,
    description: "What POST /v1/batches would take as JSON, to be looked at.",
    examples: [{ csvUrl: "https://shop.example/exports/products.csv", probe: 20 }],
  },
);

const Headers = (description: string) => Type.Array(Type.String(), { description });

const FileShape = Type.Object(
  {
    dialect: Nullable(
      Type.String({
        description: "The shop system whose export the file was taken for; null where it is none that we know.",
        examples: ["shopify"],
      }),
    ),
    encoding: Type.String({ examples: ["utf-8"] }),
    hasBom: Type.Boolean({ description: "Whether a byte order mark stands at the beginning." }),
    delimiter: Type.String({ examples: [","] }),
    headerLine: Type.Integer({ minimum: 1 }),
    columns: Type.Object(
      {
        all: Headers("All headers of the file."),
        images: Headers("Of the columns that hold image URLs."),
        name: Headers("Of the columns that name a product; in each row the first one that is filled counts."),
        id: Headers(
          "Of the columns that outputs are named after; in each row the first one that is filled counts. Where there is none, outputs are named after the line.",
        ),
      },
      { title: "FileColumns", description: "The headers of the file, and which of them were taken for what." },
    ),
    baseUrl: Nullable(Type.String({ description: "What relative paths are joined to." })),
    traps: Type.Array(Type.String(), { description: "What surprises people in files of this dialect." }),
  },
  { title: "FileShape", description: "What the file was taken for." },
);

const HostCount = Type.Object(
  {
    host: Type.String({ examples: ["cdn.shop.example"] }),
    images: count("Images at this host."),
    imagesDistinct: count("Different URLs among them: a repeat is not fetched again."),
  },
  { title: "HostCount", description: "How many of the file's images lie at a host." },
);

const ProbedCode = Type.Object(
  {
    code: ImageErrorCode,
    images: count("How many images of the sample failed with it."),
    isRetried: Type.Boolean({ description: "Whether a batch would try such images again, so that some may still succeed." }),
  },
  { title: "ProbedCode", description: "How many images of the sample failed with one code." },
);

const ProbedHost = Type.Object(
  {
    host: Nullable(Type.String({ description: "null: all hosts that `hosts` does not list." })),
    imagesDistinct: count("Different image URLs at this host."),
    tried: count("Images at this host that were in the sample and came to an end in time."),
    failed: count("How many of those failed."),
    failureShare: Type.Number({ minimum: 0, maximum: 1, description: "failed / tried." }),
    codes: Type.Array(ProbedCode),
  },
  { title: "ProbedHost", description: "What became of the sample's images at a host." },
);

const Forecast = Type.Object(
  {
    failures: Type.Object(
      {
        expected: count("Images that will likely fail."),
        low: count("At least as many will fail, with a confidence of 95 %."),
        high: count("At most as many will fail, with a confidence of 95 %."),
        share: Type.Number({
          minimum: 0,
          maximum: 1,
          description: "The share of images that will likely fail, each host weighed by its images.",
        }),
      },
      { title: "FailureForecast", description: "Estimated from the sample (Wilson interval); exact where every image was tried." },
    ),
    bytes: count("Bytes that will be fetched."),
    megapixels: Type.Number({ minimum: 0 }),
    fetchSeconds: Type.Number({
      minimum: 0,
      description: "How long all downloads will take, if each takes as long as in the sample and as many run at once as `assumes` says.",
    }),
    encodeSeconds: Type.Number({
      minimum: 0,
      description: "How long encoding will take, at the CPU time that benchmarks took for a megapixel, without resizing.",
    }),
    seconds: Type.Number({
      minimum: 0,
      description:
        "How long the batch will take on an idle service: the larger of fetchSeconds and encodeSeconds, since both go on at once.",
    }),
    assumes: Type.Object(
      {
        encoders: Type.Integer({ minimum: 1 }),
        downloads: Type.Integer({ minimum: 1 }),
        downloadsPerHost: Type.Integer({ minimum: 1 }),
        format: Type.String(),
      },
      {
        title: "ForecastAssumptions",
        description: "How much the process that answered does at once. Where there are several, they share the work.",
      },
    ),
  },
  {
    title: "Forecast",
    description:
      "What will likely become of the whole batch. It counts distinct images, as the sample does, since a repeat shares the fate of the first.",
  },
);

const FailedProbe = Type.Object(
  { url: Type.String({ description: "Without its query, which may hold a signature." }), code: ImageErrorCode, message: Type.String() },
  { title: "FailedProbe", description: "An image of the sample that failed." },
);

const ProbeReport = Type.Object(
  {
    asked: count("How many images were to be tried."),
    tried: count("How many were tried: fewer where the file has fewer, or where time ran out."),
    failed: count("How many of those failed."),
    unfinished: count("How many were still being fetched when the time for the probe was up. They count neither as failed nor as tried."),
    hosts: Type.Array(ProbedHost),
    examples: Type.Array(FailedProbe, { description: "Some of the images that failed: at most three for each code and host." }),
    forecast: Nullable(Forecast),
  },
  { title: "ProbeReport", description: "What became of the images that were tried, and what that means for the batch." },
);

const EXAMPLE = {
  ok: false,
  fileName: "products.csv",
  bytes: 512,
  file: {
    dialect: "shopify",
    encoding: "utf-8",
    hasBom: false,
    delimiter: ",",
    headerLine: 1,
    columns: { all: ["URL handle", "Title", "Product image URL"], images: ["Product image URL"], name: ["Title"], id: ["URL handle"] },
    baseUrl: null,
    traps: [],
  },
  rows: 3,
  rowsWithoutImage: 1,
  products: 2,
  images: 3,
  imagesDistinct: 2,
  imagesInvalid: 1,
  hosts: [{ host: "cdn.shop.example", images: 2, imagesDistinct: 1 }],
  hostCount: 1,
  imagesAtOtherHosts: 0,
  problems: [
    {
      line: 3,
      column: "Product image URL",
      code: "url_invalid",
      message: 'Expected an absolute http or https URL, got "ftp:". Correct it, or upload with onInvalid=skip.',
    },
  ],
  problemCount: 1,
  probe: null,
};

export const Preflight = Type.Object(
  {
    ok: Type.Boolean({ description: "Whether the file can be uploaded as it is." }),
    fileName: FileName,
    bytes: count("Bytes of the file as it came."),
    file: Nullable(FileShape),
    rows: count("Data rows. Where a problem makes the rest of the file unreadable, all counts end there."),
    rowsWithoutImage: count("Data rows without an image, which the result CSV has as they came."),
    products: count("Different ids among the rows: a product can have several rows."),
    images: count("Image URLs."),
    imagesDistinct: count("Different image URLs: a repeat is not fetched again."),
    imagesInvalid: count("URLs that cannot be fetched. Each is a problem, or with onInvalid=skip an image that has failed."),
    hosts: Type.Array(HostCount, { description: "The first thousand hosts of the file; the one with the most images comes first." }),
    hostCount: count("How many hosts the file has in all."),
    imagesAtOtherHosts: count("Images at hosts beyond the first thousand."),
    problems: Type.Array(CsvProblemView, { description: "The first hundred problems." }),
    problemCount: count("How many problems there are in all."),
    warnings: WARNINGS,
    probe: Nullable(ProbeReport),
  },
  {
    $id: "Preflight",
    description:
      "What a file is and what would become of it. Nothing was stored. `file` is null for products that came as JSON, and where it could not be found out what the file is.",
    examples: [EXAMPLE],
  },
);
export type Preflight = Static<typeof Preflight>;
