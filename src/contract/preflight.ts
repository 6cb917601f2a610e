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
    "So many of the file's images are really fetched, at random and from every host, to forecast the batch; 0, none, unless told otherwise.",
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
    description: "A file to look at, and what would be said with its upload.",
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
      Type.String({ description: "Whose export it was taken for; null where it is no known shop's.", examples: ["shopify"] }),
    ),
    encoding: Type.String({ examples: ["utf-8"] }),
    hasBom: Type.Boolean({ description: "Whether a byte order mark stands at the beginning." }),
    delimiter: Type.String({ examples: [","] }),
    headerLine: Type.Integer({ minimum: 1 }),
    columns: Type.Object(
      {
        all: Headers("The header line."),
        images: Headers("Those that hold image URLs."),
        name: Headers("Those that name a product; the first that is filled counts."),
        id: Headers("Those that outputs are named after; the first that is filled counts. Where there is none it is the line."),
      },
      { title: "FileColumns", description: "Headers, and what was found in their columns." },
    ),
    baseUrl: Nullable(Type.String({ description: "What relative paths are joined to." })),
    traps: Type.Array(Type.String(), { description: "What surprises people in such files." }),
  },
  { title: "FileShape", description: "What the file was taken for." },
);

const HostCount = Type.Object(
  {
    host: Type.String({ examples: ["cdn.shop.example"] }),
    images: count("Images there."),
    imagesDistinct: count("Those with an URL of their own: a repeat is not fetched again."),
  },
  { title: "HostCount", description: "How many of the file's images lie at a host." },
);

const ProbedCode = Type.Object(
  {
    code: ImageErrorCode,
    images: count("How many of the sample."),
    isRetried: Type.Boolean({ description: "Whether a batch tries such images again: some may succeed then." }),
  },
  { title: "ProbedCode", description: "How often images of the sample failed in a way." },
);

const ProbedHost = Type.Object(
  {
    host: Nullable(Type.String({ description: "null: all hosts that `hosts` does not list." })),
    imagesDistinct: count("Images there."),
    tried: count("Of them in the sample, and answered in time."),
    failed: count("Of those."),
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
        low: count("At least so many, with a confidence of 95 %."),
        high: count("At most so many, with a confidence of 95 %."),
        share: Type.Number({ minimum: 0, maximum: 1, description: "Expected share, each host weighed by its images." }),
      },
      { title: "FailureForecast", description: "Estimated from the sample (Wilson interval); exact where every image was tried." },
    ),
    bytes: count("To be fetched."),
    megapixels: Type.Number({ minimum: 0 }),
    fetchSeconds: Type.Number({ minimum: 0, description: "At the times that the sample took, with as many at once as `assumes` says." }),
    encodeSeconds: Type.Number({ minimum: 0, description: "At the CPU time that benchmarks took for a megapixel, without resizing." }),
    seconds: Type.Number({ minimum: 0, description: "The larger of the two, since they overlap, on an idle service." }),
    assumes: Type.Object(
      {
        encoders: Type.Integer({ minimum: 1 }),
        downloads: Type.Integer({ minimum: 1 }),
        downloadsPerHost: Type.Integer({ minimum: 1 }),
        format: Type.String(),
      },
      { title: "ForecastAssumptions", description: "Of the process that answered; several share the work." },
    ),
  },
  { title: "Forecast", description: "Counts distinct images, as the sample does; a repeat shares the fate of the first." },
);

const FailedProbe = Type.Object(
  { url: Type.String({ description: "Without its query, which may hold a signature." }), code: ImageErrorCode, message: Type.String() },
  { title: "FailedProbe", description: "An image of the sample that failed." },
);

const ProbeReport = Type.Object(
  {
    asked: count("How many were to be tried."),
    tried: count("How many were; fewer where the file has fewer or time ran out."),
    failed: count("Of those."),
    unfinished: count("Still on their way when the time for the probe was up: neither failed nor not."),
    hosts: Type.Array(ProbedHost),
    examples: Type.Array(FailedProbe, { description: "Some that failed, of each code and host at most three." }),
    forecast: Nullable(Forecast),
  },
  { title: "ProbeReport", description: "What became of a sample, and what that means for the batch." },
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
    bytes: count("Of the file as it came."),
    file: Nullable(FileShape),
    rows: count("Data rows. All counts end where reading had to, if the file has such a problem."),
    rowsWithoutImage: count("They pass through as they are."),
    products: count("Different ids: a product can have several rows."),
    images: count("Image URLs."),
    imagesDistinct: count("Different ones: a repeat is not fetched again."),
    imagesInvalid: count("URLs that cannot be fetched: problems, or failed images with onInvalid=skip."),
    hosts: Type.Array(HostCount, { description: "The first thousand hosts of the file, the one with most images first." }),
    hostCount: count("All of them."),
    imagesAtOtherHosts: count("Images at hosts beyond the first thousand."),
    problems: Type.Array(CsvProblemView, { description: "The first hundred." }),
    problemCount: count("All of them."),
    warnings: WARNINGS,
    probe: Nullable(ProbeReport),
  },
  {
    $id: "Preflight",
    description:
      "What a file is and what would become of it. Nothing was stored. `file` is null where it could not be found out, and for products that came as JSON.",
    examples: [EXAMPLE],
  },
);
export type Preflight = Static<typeof Preflight>;
