import type { FastifyRequest } from "fastify";
import type { CsvProblem, UploadWarning } from "../domain/csv-problem.ts";
import { isPublicUrl, outputsNotPublic } from "../domain/public-url.ts";
import { IDEMPOTENCY_KEY_CHARS_MAX, parseIdempotencyKey } from "../domain/idempotency-key.ts";
import type { Preset } from "../domain/recipe.ts";
import type { Acceptance } from "../intake/accept-upload.ts";
import type { Upload } from "../intake/upload.ts";
import { ProblemError } from "./problems.ts";
import { readOptions } from "./read-options.ts";
import { receiveWithin, type ReceiveDeps, type ReceivedUpload } from "./receive-upload.ts";

export type TakeDeps = Omit<ReceiveDeps, "deadline" | "uploadBytesMax"> & {
  settings: { publicUrl: () => string; uploadBytesMax: number; uploadMs: number };
  discard(tempPath: string): Promise<void>;
  acceptUpload(upload: Upload): Promise<Acceptance>;
};

export type Taken = Extract<Acceptance, { ok: true }>;

/** Takes an upload in, whichever way `receive` reads it, or throws what is wrong with it; no temporary file stays. */
export async function takeUpload(
  deps: TakeDeps,
  request: FastifyRequest,
  { receive, presetDefault }: { receive: Parameters<typeof receiveWithin>[2]; presetDefault: Preset },
): Promise<Taken> {
  refuseInQuery(request.query as object);
  const idempotencyKey = readIdempotencyKey(request);
  return withUpload(deps, request, receive, async (received) => {
    const { reading, ...options } = readOptions(received.fields, presetDefault, received.fieldNames);
    const result = await deps.acceptUpload({
      spool: received,
      fileName: received.fileName,
      idempotencyKey,
      ...(received.fetchedFrom === undefined ? {} : { fetchedFrom: received.fetchedFrom }),
      options: { ...options, reading: { ...reading, layout: received.layout } },
    });
    if (result.ok) return { ...result, warnings: [...result.warnings, ...warningsOf(deps.settings.publicUrl())] };
    if (result.kind === "webhook")
      throw new ProblemError("invalid_webhook", result.message, {
        errors: [{ field: "webhookUrl", message: result.message }],
        errorCount: 1,
      });
    if (result.kind === "option")
      throw new ProblemError("invalid_options", `${result.field}: ${result.message}`, {
        errors: [{ field: result.field, message: result.message }],
        errorCount: 1,
      });
    if (result.kind === "key")
      throw new ProblemError(result.code, result.message, {}, result.code === "upload_in_progress" ? { "retry-after": "2" } : {});
    throw refusal(result.problems, result.problemCount, received);
  });
}

/** Null where there is none. */
function readIdempotencyKey({ headers }: FastifyRequest): string | null {
  const header = headers["idempotency-key"];
  if (header === undefined) return null;
  const key = parseIdempotencyKey([header].flat().join(", "));
  if (key !== null) return key;
  const message = `Expected 1 to ${IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters, in quotes or without, such as a UUID.`;
  throw new ProblemError("invalid_options", `Idempotency-Key: ${message}`, {
    errors: [{ field: "Idempotency-Key", message }],
    errorCount: 1,
  });
}

/** What stands in a URL is written down by every proxy on the way. */
function refuseInQuery(query: object): void {
  for (const field of ["sourceHeaders", "webhookAuthorization"]) {
    if (!Object.hasOwn(query, field)) continue;
    throw new ProblemError(
      "invalid_options",
      `${field}: Expected it as a form field or in a JSON body; in a URL it would end up in logs.`,
      { errors: [{ field, message: "Expected it as a form field or in a JSON body." }], errorCount: 1 },
    );
  }
}

/** Receives an upload, lends it, and removes it. */
export async function withUpload<T>(
  deps: Omit<TakeDeps, "acceptUpload">,
  request: FastifyRequest,
  receive: Parameters<typeof receiveWithin>[2],
  use: (received: ReceivedUpload) => Promise<T>,
): Promise<T> {
  const paths: string[] = [];
  const tempPath = (extension: string) => {
    const path = deps.tempPath(extension);
    paths.push(path);
    return path;
  };
  try {
    const { uploadBytesMax, uploadMs } = deps.settings;
    return await use(await receiveWithin(request, { tempPath, fetchCsv: deps.fetchCsv, uploadBytesMax }, receive, uploadMs));
  } finally {
    for (const path of paths) await deps.discard(path);
  }
}

function warningsOf(publicUrl: string): UploadWarning[] {
  return isPublicUrl(publicUrl) ? [] : [outputsNotPublic(publicUrl)];
}

function refusal(problems: CsvProblem[], problemCount: number, { layout }: ReceivedUpload): ProblemError {
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
