import type { FastifyReply, FastifyRequest } from "fastify";
import type { Problem } from "../contract/problem.ts";
import { BatchRemovedError } from "../db/batches.ts";
import { diskFullCode } from "../domain/disk-full.ts";
import { errorCode } from "../domain/error-code.ts";
import { isOutOfFiles } from "../domain/load/open-files.ts";
import { PROBLEMS, type ProblemCode } from "../domain/problem.ts";
import { OptionFaults } from "../intake/options/word-faults.ts";

type Errors = Pick<Problem, "errors" | "errorCount">;

/** Thrown by routes; the error handler turns it into an answer. The sentence is for the caller. */
export class ProblemError extends Error {
  readonly problem: ProblemCode;
  readonly more: Errors;
  readonly headers: Record<string, string>;
  constructor(problem: ProblemCode, detail: string, { headers = {}, ...more }: Errors & { headers?: Record<string, string> } = {}) {
    super(detail);
    this.problem = problem;
    this.more = more;
    this.headers = headers;
  }
}

/** The row names an output that its file is not any more, after a restore that was not whole, say. */
export function lostOutput(fileName: string): ProblemError {
  return new ProblemError(
    "output_lost",
    `The file of the output ${fileName} is missing or not whole. Upload the CSV again: what is still there is linked, the rest is made anew; or have the operator restore the file.`,
  );
}

/** What passes by itself in some `retryAfterSeconds`. */
export function unavailable(message: string, retryAfterSeconds: number): ProblemError {
  return new ProblemError("unavailable", message, { headers: { "retry-after": String(retryAfterSeconds) } });
}

/** A problem with one option. `detail` says it to who reads no `errors`. */
export function faultIn(code: ProblemCode, field: string, message: string, detail = `${field}: ${message}`): ProblemError {
  return new ProblemError(code, detail, { errors: [{ field, message }], errorCount: 1 });
}

/** The seed's clients read a member `error`; the others get the standard's members only. */
const SEED_ROUTES = /^(\/api)?\/(uploadAndProcessDocument|getProcessingStatus)\b/;

export function sendProblem(request: FastifyRequest, reply: FastifyReply, error: ProblemError): FastifyReply {
  const { status, title } = PROBLEMS[error.problem];
  const seed = SEED_ROUTES.test(request.url) ? { error: error.message } : {};
  const body: Problem = { type: "about:blank", title, status, detail: error.message, code: error.problem, ...seed, ...error.more };
  return (
    reply
      .code(status)
      // Of the file in whose place it comes, under whose name a browser would keep it.
      .removeHeader("content-disposition")
      .headers({ "cache-control": "no-store", ...error.headers })
      .type("application/problem+json")
      .serializer(JSON.stringify)
      .send(body)
  );
}

type Unexpected = Error & {
  statusCode?: number;
  code?: string;
  /** What could not be done: with a file, or `connect`. */
  syscall?: string;
  /** What ajv found. */
  validation?: { params: Record<string, unknown> }[];
};

/** What our own code threw for the caller to read, as a problem or as faults of options, which a command has too. */
export function ownProblem(error: Error): ProblemError | null {
  if (error instanceof OptionFaults)
    return new ProblemError("invalid_options", error.message, { errors: error.faults, errorCount: error.faults.length });
  return error instanceof ProblemError ? error : null;
}

/** What the framework or a library threw, as one of our problems; null for what nobody expected. */
export function knownProblem(error: Unexpected, request: FastifyRequest, isUnavailable: (error: unknown) => boolean): ProblemError | null {
  if (error instanceof BatchRemovedError)
    return new ProblemError(
      request.url.startsWith("/outputs/") ? "output_not_found" : "batch_not_found",
      "The batch was removed meanwhile.",
    );
  if (isOutOfFiles(error)) return unavailable("The service has as many files open as it may right now; try again in a few seconds.", 5);
  if (isOutOfThreads(error))
    return unavailable("The service can start no further thread to read the file right now; try again in a few seconds.", 5);
  if (isUnavailable(error)) return unavailable(wordAbsence(error), 5);
  if (diskFullCode(error) !== null)
    return new ProblemError("storage_full", "The disk of the service is full; try again when there is room.", {
      headers: { "retry-after": "60" },
    });
  if (isDiskAway(error)) return unavailable("The files of the service cannot be reached right now; try again later.", 60);
  switch (error.statusCode) {
    case 408:
      return new ProblemError("request_timeout", "The request did not come in time.");
    case 413:
      return new ProblemError("upload_too_large", "The body is larger than this route takes.");
    case 415:
      return unsupportedMediaType(request);
    case undefined:
      return null;
    default:
      return error.statusCode < 500 ? new ProblemError("bad_request", wordFault(error)) : null;
  }
}

/** SQLSTATE of a server whose connections, or those of its role or database, are all taken. */
const NO_CONNECTION_FREE = "53300";

/** SQLSTATE where somebody else has kept locked what a statement changes. */
const LOCKED = "55P03";

function wordAbsence({ code }: Unexpected): string {
  if (code === NO_CONNECTION_FREE) return "The database has no connection free right now; try again in a few seconds.";
  if (code === LOCKED) return "Somebody keeps the batch locked in the database right now; try again in a few seconds.";
  return "The database cannot be reached right now; try again in a few seconds.";
}

/** The system has as many threads as there may be (EAGAIN), or no memory for one more. */
export function isOutOfThreads({ code }: Pick<Unexpected, "code">): boolean {
  return code === "ERR_WORKER_INIT_FAILED";
}

/** The last four where it lies on a network, or is served by a process. */
const AWAY_ERRNOS = ["EROFS", "EIO", "ENOENT", "EACCES", "ESTALE", "ENOTCONN", "ENXIO", "ENODEV"];

/** DATA_DIR is unmounted, read-only or broken. */
export function isDiskAway(error: Pick<Unexpected, "code" | "syscall">): boolean {
  return error.syscall !== undefined && error.syscall !== "connect" && AWAY_ERRNOS.includes(errorCode(error));
}

/** Ajv's sentence leaves out which values there are. */
function wordFault({ message, validation = [] }: Unexpected): string {
  const values = validation[0]?.params["allowedValues"];
  return Array.isArray(values) ? `${message}: ${values.join(", ")}` : message;
}

/** Names what the route takes, as its document does. */
export function unsupportedMediaType({ routeOptions }: FastifyRequest): ProblemError {
  const { content = {} } = (routeOptions.schema?.body ?? {}) as { content?: object };
  const types = Object.keys(content);
  const bodies = types.filter((type) => type !== FORM).join(" or ");
  const expected = types.includes(FORM)
    ? `${FORM} with the CSV in the field \`file\`, or a body of ${bodies}, as Content-Type says`
    : bodies === ""
      ? "no body, nor a Content-Type of one"
      : `a body of ${bodies}, as Content-Type says, or none`;
  return new ProblemError("unsupported_media_type", `Expected ${expected}.`);
}

const FORM = "multipart/form-data";
