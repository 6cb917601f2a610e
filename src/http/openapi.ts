import { AcceptedBatch, Batch, BatchList, BatchStatusView, Product, ProductList, ResumeRequest } from "../contract/batch.ts";
import { BatchEvent, SeedEvent } from "../contract/event.ts";
import { Preflight } from "../contract/preflight.ts";
import { Problem } from "../contract/problem.ts";
import { Report } from "../contract/report.ts";
import { Accepted, BatchRequest, ProductInput, UploadOptions } from "../contract/upload.ts";
import { PROBLEMS, type ProblemCode } from "../domain/problem.ts";

/** The shapes that the document names; routes refer to them by `$id`. */
export const SHARED_SCHEMAS = [Accepted, BatchStatusView, Batch, AcceptedBatch, BatchList, Product, ProductList, ProductInput, BatchRequest, ResumeRequest, Preflight, Problem, BatchEvent, SeedEvent, Report];

export const UPLOAD_PROBLEMS = [
  "bad_multipart", "unauthorized", "forbidden_origin", "request_timeout", "upload_too_large", "unsupported_media_type", "invalid_csv", "unavailable", "storage_full",
] as const;

/**
 * Documents a body that a route reads as the stream that it is: nothing of it is validated before. `more` are the
 * ways beside a CSV.
 */
export function streamedBody(more: Record<string, object> = {}) {
  const file = { type: "string", format: "binary" };
  const content = {
    "multipart/form-data": { schema: { type: "object", required: ["file"], properties: { file: { ...file, description: "The CSV." }, ...UploadOptions.properties } } },
    "text/csv": { schema: file },
    ...more,
  };
  return { schema: { body: { content } }, validatorCompiler: () => () => true };
}

/** The responses of an operation for these problems, one for each status. A surprise (500) is possible everywhere. */
export function problemResponses(codes: readonly ProblemCode[]): Record<number, object> {
  const statuses = [...new Set([...codes, "internal_error" as const].map((code) => PROBLEMS[code].status))];
  return Object.fromEntries(statuses.map((status) => {
    const named = Object.entries(PROBLEMS).filter(([, problem]) => problem.status === status).map(([code]) => `\`${code}\``);
    return [status, { description: `Problem with the code ${named.join(", ")}.`, content: { "application/problem+json": { schema: { $ref: "Problem#" } } } }];
  }));
}

export function openapiOptions(version: string) {
  return {
    openapi: "3.1.0",
    info: {
      title: "Pressrun",
      version,
      summary: "A CSV of product image URLs in; compressed images, a result CSV, a live status and a signed webhook out.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/", description: "This server." }],
    tags: [
      { name: "batches", description: "Upload a file and see how it stands." },
      { name: "outputs", description: "Fetch what was made." },
      { name: "reports", description: "Ask about all that was done." },
      { name: "service", description: "For operators." },
    ],
    components: { securitySchemes: { apiKey: { type: "http", scheme: "bearer", description: "One of API_KEYS, where the service has any." } } },
    security: [{}, { apiKey: [] }],
    webhooks: {
      batchEnded: webhook("batchEnded", "A batch has ended", "`batch.completed` or `batch.failed`, once for each run. With webhookPayload=seed it comes as a SeedEvent.", ["BatchEvent", "SeedEvent"]),
      batchPaused: webhook("batchPaused", "A batch was paused", "`batch.paused`: more of it failed than its pauseAtFailurePercent allows, or somebody paused it; `data.pauseReason` says which. It waits to be resumed."),
      batchResumed: webhook("batchResumed", "A batch was resumed", "`batch.resumed`: it goes on where it was."),
    },
  } as const;
}

function webhook(operationId: string, summary: string, types: string, shapes = ["BatchEvent"]) {
  const [first, ...others] = shapes.map((name) => ({ $ref: `#/components/schemas/${name}` }));
  return {
    post: {
      operationId, summary,
      description: `${types} Signed as Standard Webhooks says: verify \`webhook-signature\` over \`{webhook-id}.{webhook-timestamp}.{body}\`. Answer 2xx; anything else is tried again for up to three days, 410 stops it. A repetition bears the same \`webhook-id\`.`,
      requestBody: { required: true, content: { "application/json": { schema: others.length === 0 ? first : { anyOf: [first, ...others] } } } },
      responses: { "2XX": { description: "Received." } },
    },
  };
}
