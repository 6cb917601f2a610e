import { PROBLEMS, type ProblemCode } from "../domain/problem.ts";

/** What the connection, the protection or a surprise of ours can answer in the place of any route. */
const EVERYWHERE = ["bad_request", "forbidden_host", "request_timeout", "headers_too_large", "internal_error"] as const;

/** Of routes that are answered by whatever Host. */
export const HOSTLESS_PROBLEMS = EVERYWHERE.filter((code) => code !== "forbidden_host");
/** Of routes that tell something of a batch. */
export const READ_PROBLEMS = ["unauthorized", "unavailable"] as const;
/** Of routes that change something, and so are closed to pages of other sites. */
export const CHANGE_PROBLEMS = [...READ_PROBLEMS, "forbidden_origin", "unsupported_media_type"] as const;
export const UPLOAD_PROBLEMS = [
  ...CHANGE_PROBLEMS,
  "bad_multipart",
  "upload_too_large",
  "wrong_file_type",
  "invalid_csv",
  "invalid_options",
  "invalid_webhook",
  "idempotency_key_reused",
  "upload_in_progress",
  "file_missing",
  "too_many_files",
  "storage_full",
] as const;
/** Of routes that also take products as JSON, or the address of a CSV. */
export const PRODUCTS_PROBLEMS = [...UPLOAD_PROBLEMS, "invalid_products", "csv_url_failed"] as const;

/** Of a preflight, whose report tells what is wrong with a file. */
export const PREFLIGHT_PROBLEMS = PRODUCTS_PROBLEMS.filter(
  (code) => !["invalid_csv", "invalid_products", "invalid_webhook", "idempotency_key_reused", "upload_in_progress"].includes(code),
);

/** Problems that pass: what throws them says in Retry-After when to ask again. Of `unavailable` a report that takes too long does not. */
const PASSING: readonly ProblemCode[] = ["result_not_ready", "upload_in_progress", "unavailable", "storage_full"];

/**
 * The problems of an operation as its responses, one for each status, with an example for each code. The keys of
 * `examples` are the codes that the route can answer with: a client reads them there, and a test holds every answer to them.
 */
export function problemResponses(codes: readonly ProblemCode[], everywhere: readonly ProblemCode[] = EVERYWHERE): Record<number, object> {
  const known = new Set<ProblemCode>([...codes, ...everywhere]);
  const listed = (Object.keys(PROBLEMS) as ProblemCode[]).filter((code) => known.has(code));
  const statuses = [...new Set(listed.map((code) => PROBLEMS[code].status))];
  return Object.fromEntries(statuses.map((status) => [status, problemResponse(listed.filter((code) => PROBLEMS[code].status === status))]));
}

function problemResponse(codes: readonly ProblemCode[]): object {
  const passing = codes.filter((code) => PASSING.includes(code));
  return {
    description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(" "),
    ...(passing.length === 0 ? {} : { headers: retryHeaders(passing) }),
    content: {
      "application/problem+json": {
        schema: { $ref: "Problem#" },
        examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
      },
    },
  };
}

function retryHeaders(codes: readonly ProblemCode[]): object {
  const names = codes.map((code) => `\`${code}\``).join(" or ");
  return {
    "Retry-After": {
      type: "integer",
      description: `Seconds until another try is worth it, with ${names}; absent where waiting does not help.`,
    },
  };
}
