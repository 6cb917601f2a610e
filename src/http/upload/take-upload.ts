import type { FastifyRequest } from "fastify";
import type { Layout } from "../../domain/batch/catalogue-facts.ts";
import type { IdempotencyKey } from "../../db/idempotency-keys.ts";
import type { CsvProblem, UploadWarning } from "../../domain/batch/csv-problem.ts";
import { IDEMPOTENCY_KEY_CHARS_MAX, parseIdempotencyKey } from "../../domain/batch/idempotency-key.ts";
import { isNestedWithin, METADATA_LEVELS_MAX } from "../../domain/batch/metadata.ts";
import { isPublicUrl, outputsNotPublic } from "../../domain/url/public-url.ts";
import type { Preset } from "../../domain/image/recipe.ts";
import { CREDENTIAL_OPTIONS } from "../../domain/secret/secret-options.ts";
import type { Acceptance } from "../../intake/acceptance.ts";
import type { SentUpload } from "../../intake/digest-upload.ts";
import type { Upload } from "../../intake/upload.ts";
import { fetchCsv, type FetchDeps } from "./fetch-csv.ts";
import { faultIn, ProblemError } from "../problems.ts";
import { readOptions } from "../../intake/options/read-options.ts";
import { receiveWithin, type Receive, type ReceivedAddress, type ReceivedUpload } from "./receive-upload.ts";

export type TakeDeps = FetchDeps & {
  settings: { publicUrl: () => string; uploadBytesMax: number; uploadMs: number };
  discard(tempPath: string): Promise<void>;
  digestUpload(sent: SentUpload): Promise<string>;
  /** What the same upload was answered with before; null where its key is new. */
  findEarlier(key: IdempotencyKey): Promise<Acceptance | null>;
  acceptUpload(upload: Upload): Promise<Acceptance>;
};

/** How a request's file comes, and whether anybody still waits for the answer: without one, no file is fetched. */
type Way = { receive: Receive; gone: AbortSignal };

export type Taken = Extract<Acceptance, { ok: true }>;

/** Takes an upload in, whichever way `receive` reads it, or throws what is wrong with it; no temporary file stays. */
export async function takeUpload(
  deps: TakeDeps,
  request: FastifyRequest,
  { receive, gone, presetDefault }: Way & { presetDefault: Preset },
): Promise<Taken> {
  const name = readIdempotencyKey(request);
  return withUpload(deps, request, { receive, gone }, async (received, fetched) => {
    // JSON.stringify() could not digest it. No option is as deep, so that its fault is told here.
    if (!isNestedWithin(FIELDS_LEVELS_MAX, received.fields)) readOptions(received, presetDefault);
    const idempotencyKey = name === null ? null : { name, digest: await deps.digestUpload(asSent(received, presetDefault)) };
    const earlier = idempotencyKey && (await deps.findEarlier(idempotencyKey));
    if (earlier) return answer(deps, earlier, received);

    const options = readOptions(received, presetDefault);
    const file = await fetched();
    const result = await deps.acceptUpload({ spool: file, fileName: file.fileName, options, idempotencyKey });
    return answer(deps, result, received);
  });
}

/** The fields are a level of their own. */
const FIELDS_LEVELS_MAX = METADATA_LEVELS_MAX + 1;

function asSent(received: ReceivedUpload | ReceivedAddress, preset: Preset): SentUpload {
  return { source: "csvUrl" in received ? { csvUrl: received.csvUrl } : { path: received.path }, fields: received.fields, preset };
}

function answer({ settings }: TakeDeps, result: Acceptance, { layout }: Pick<ReceivedUpload, "layout">): Taken {
  if (result.ok) return { ...result, warnings: [...result.warnings, ...warningsOf(settings.publicUrl())] };
  switch (result.kind) {
    case "csv":
      throw refusal(result.problems, result.problemCount, layout);
    case "option":
      throw faultIn("invalid_options", result.field, result.message);
    case "webhook":
      throw faultIn("invalid_webhook", "webhookUrl", result.message, result.message);
    case "key":
      throw new ProblemError(result.code, result.message, result.code === "upload_in_progress" ? { headers: { "retry-after": "2" } } : {});
    default:
      return result satisfies never;
  }
}

/** Null where there is none. */
function readIdempotencyKey({ headers }: FastifyRequest): string | null {
  const header = headers["idempotency-key"];
  if (header === undefined) return null;
  const name = parseIdempotencyKey([header].flat().join(", "));
  if (name === null)
    throw new ProblemError(
      "bad_request",
      `Idempotency-Key: Expected one name of 1 to ${IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters, in double quotes or without, such as a UUID.`,
    );
  return name;
}

/** What stands in a URL is written down by every proxy on the way. */
function refuseInQuery(query: object): void {
  for (const field of CREDENTIAL_OPTIONS) {
    if (!Object.hasOwn(query, field)) continue;
    const message = "Expected it as a form field or in a JSON body";
    throw faultIn("invalid_options", field, `${message}.`, `${field}: ${message}; in a URL it would end up in logs.`);
  }
}

/** Receives an upload, lends it, and removes it. `fetched` gives its file, where it is still to be fetched. */
export async function withUpload<T>(
  deps: Omit<TakeDeps, "acceptUpload" | "findEarlier" | "digestUpload">,
  request: FastifyRequest,
  { receive, gone }: Way,
  use: (received: ReceivedUpload | ReceivedAddress, fetched: () => Promise<ReceivedUpload>) => Promise<T>,
): Promise<T> {
  refuseInQuery(request.query as object);
  const paths: string[] = [];
  const tempPath = (extension: string) => {
    const path = deps.tempPath(extension);
    paths.push(path);
    return path;
  };
  try {
    const { uploadBytesMax, uploadMs } = deps.settings;
    const received = await receiveWithin(request, { tempPath, uploadBytesMax }, receive, uploadMs);
    const fetched = async () => ("csvUrl" in received ? fetchCsv({ tempPath, fetchCsv: deps.fetchCsv }, received, gone) : received);
    return await use(received, fetched);
  } finally {
    for (const path of paths) await deps.discard(path);
  }
}

function warningsOf(publicUrl: string): UploadWarning[] {
  return isPublicUrl(publicUrl) ? [] : [outputsNotPublic(publicUrl)];
}

function refusal(problems: CsvProblem[], problemCount: number, layout: Layout | null): ProblemError {
  const [first] = problems;
  if (first?.code === "wrong_file_type") return new ProblemError("wrong_file_type", first.message);
  const which =
    problemCount > problems.length ? `the first ${problems.length} are listed` : problemCount === 1 ? "it is listed" : "they are listed";
  const count = problemCount === 1 ? "1 problem" : `${problemCount} problems`;
  const [code, subject] =
    layout === null ? (["invalid_csv", "The CSV has"] as const) : (["invalid_products", "The products have"] as const);
  return new ProblemError(code, `${subject} ${count}; ${which} in \`errors\`. Nothing was stored.`, {
    errors: problems,
    errorCount: problemCount,
  });
}
