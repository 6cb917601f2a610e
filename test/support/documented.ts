import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { DOCUMENT, findOperation, findTemplate, type ApiResponse } from "./openapi-document.ts";

export type Answer = {
  method: string;
  /** As it was sent, with its query. */
  path: string;
  status: number;
  contentType: string | null;
  retryAfter: string | null;
  /** Null where it was not read; only texts are checked. */
  body: string | null;
};

const PROBLEM = { $ref: "#/components/schemas/Problem" };
/** Pages for people. */
const PAGES = /^\/(docs(\/.*)?)?$/;
/** Problems that are answered before an operation is known. */
const OF_NO_OPERATION = [
  "bad_request",
  "not_found",
  "method_not_allowed",
  "request_timeout",
  "headers_too_large",
  "unauthorized",
  "forbidden_host",
  "forbidden_origin",
  "unsupported_media_type",
  "internal_error",
];

/** Compiles the schemas, which takes a while that no test should be measured by. */
export function prepare(): void {
  faultOfValue(PROBLEM, {});
}

/** What openapi.json does not say of an answer, as a sentence; null where it says all of it. */
export function findUndocumented(answer: Answer): string | null {
  const pathname = answer.path.split("?")[0] ?? "";
  if (PAGES.test(pathname) && answer.status < 400) return null;
  const template = findTemplate(pathname);
  const operation = template === null ? null : findOperation(template, answer.method);
  const fault = operation === null ? faultOfStranger(answer) : faultOf(answer, operation.responses);
  if (fault === null) return null;
  const shown = answer.body === null ? "" : `\n${answer.body.slice(0, 2_000)}`;
  return `${answer.method} ${answer.path.slice(0, 200)} was answered as openapi.json does not say (${operation?.operationId ?? "no operation"}): ${fault}\nIf the answer is meant, document it at the route and run \`npm run openapi\`. It was ${answer.status} ${answer.contentType ?? "without a type"}${shown}`;
}

function faultOf(answer: Answer, responses: Record<string, ApiResponse>): string | null {
  const response = responses[answer.status];
  if (response === undefined) return `the status ${answer.status} is not listed; there are ${Object.keys(responses).join(", ")}.`;
  if (answer.retryAfter !== null && response.headers?.["Retry-After"] === undefined)
    return `Retry-After is not listed for ${answer.status}.`;
  if (response.content === undefined) return answer.body ? "it has a body, and none is listed." : null;
  const mediaType = mediaTypeOf(answer);
  const media = response.content[mediaType];
  if (media === undefined)
    return `the type ${mediaType} is not listed for ${answer.status}; there are ${Object.keys(response.content).join(", ")}.`;
  if (!isJson(mediaType) || answer.body === null || answer.method === "HEAD") return null;
  const value = parse(answer.body);
  if (value === undefined) return "the body is no JSON.";
  const fault = faultOfValue(media.schema ?? {}, value);
  if (fault !== null || mediaType !== "application/problem+json") return fault;
  const codes = Object.keys(media.examples ?? {});
  const { code, status } = value as { code: string; status: number };
  if (!codes.includes(code)) return `the code ${code} is not listed for ${answer.status}; there are ${codes.join(", ")}.`;
  return status === answer.status ? null : `the problem says status ${status}.`;
}

function faultOfStranger(answer: Answer): string | null {
  if (mediaTypeOf(answer) !== "application/problem+json") return "a path or method that is not listed is answered by a problem.";
  if (answer.body === null || answer.method === "HEAD") return null;
  const value = parse(answer.body);
  const fault = faultOfValue(PROBLEM, value);
  if (fault !== null) return fault;
  const { code, status } = value as { code: string; status: number };
  if (status !== answer.status) return `the problem says status ${status}.`;
  return OF_NO_OPERATION.includes(code) ? null : `${code} is a problem of an operation.`;
}

function mediaTypeOf({ contentType }: Answer): string {
  return contentType?.split(";")[0]?.trim().toLowerCase() ?? "";
}

export function isJson(mediaType: string): boolean {
  return mediaType === "application/json" || mediaType.endsWith("+json");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

let ajv: Ajv2020 | undefined;
const compiled = new Map<string, ValidateFunction>();

function faultOfValue(schema: object, value: unknown): string | null {
  if (ajv === undefined) {
    ajv = new Ajv2020({ strict: false, allErrors: true, verbose: true, validateSchema: false, meta: false });
    addFormats.default(ajv);
    ajv.addFormat("binary", true);
    ajv.addSchema(closed(DOCUMENT) as object, "document");
  }
  const key = JSON.stringify(schema);
  const validate = compiled.get(key) ?? ajv.compile(absolute(closed(schema)) as object);
  compiled.set(key, validate);
  if (validate(value)) return null;
  return (validate.errors ?? [])
    .map(({ instancePath, message, params }) => `${instancePath || "the body"} ${message} ${JSON.stringify(params)}`)
    .join("; ");
}

/** A member that the document does not name is a fault of the document. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== "object" || node === null) return node;
  const copy: Record<string, unknown> = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  return copy["type"] === "object" && "properties" in copy && !("additionalProperties" in copy)
    ? { ...copy, additionalProperties: false }
    : copy;
}

function absolute(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(absolute);
  if (typeof node !== "object" || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, key === "$ref" ? `document${String(value)}` : absolute(value)]),
  );
}
