import { AcceptedBatch, Batch, BatchList, Product, ProductList, ResumeRequest } from "../../contract/batch.ts";
import { BatchStatusView } from "../../contract/status.ts";
import { BatchEvent, SeedEvent } from "../../contract/event.ts";
import { Preflight, PreflightRequest } from "../../contract/preflight.ts";
import { Problem } from "../../contract/problem.ts";
import { PROBLEM_EXAMPLES } from "../../contract/problem-examples.ts";
import { Report } from "../../contract/report.ts";
import { ID } from "../../contract/terms.ts";
import { Accepted, BatchRequest, CSV_EXAMPLE, ProductInput } from "../../contract/upload.ts";
import { nameSchemas } from "./name-schemas.ts";

/** The shapes that the document names; routes refer to them by `$id`. */
export const SHARED_SCHEMAS = [
  Accepted,
  BatchStatusView,
  Batch,
  AcceptedBatch,
  BatchList,
  Product,
  ProductList,
  ProductInput,
  BatchRequest,
  ResumeRequest,
  PreflightRequest,
  Preflight,
  Problem,
  BatchEvent,
  SeedEvent,
  Report,
];

/** The media types of a body that a route reads as the stream that it is, beside the form. */
export const CSV_BODY = {
  "text/csv": {
    schema: {
      type: "string",
      description:
        "The file itself, in UTF-8, UTF-16 with a byte order mark, or Windows-1252, as it is or packed with gzip. Options are given in the query.",
      examples: [CSV_EXAMPLE],
    },
  },
};
export const PRODUCTS_BODY = {
  "application/json": { schema: { $ref: "BatchRequest#" } },
  ...CSV_BODY,
  "application/x-ndjson": {
    schema: {
      type: "string",
      description: "A ProductInput on each line. Options are given in the query.",
      examples: ['{"id":"MUG-1","images":["https://shop.example/mug.jpg"]}\n{"id":"CUP-1","images":["https://shop.example/cup.jpg"]}\n'],
    },
  },
};

/** Documents what such a route takes; nothing of it is validated before it is read. */
export function streamedBody(form: object, others: Record<string, object>, parameters: { querystring: object; headers?: object }) {
  const content = { "multipart/form-data": { schema: form }, ...others };
  return { schema: { ...parameters, body: { content } }, validatorCompiler: () => () => true };
}

const DESCRIPTION = `Upload a file with \`POST /v1/batches\`, follow it with \`GET /v1/batches/{batchId}\`, and fetch what its \`links\` name. The two routes of the seed (\`/uploadAndProcessDocument\` and \`/getProcessingStatus/{requestId}\`, also under \`/api\`) do the same in their own words.

Every error is \`application/problem+json\` (RFC 9457) with a stable \`code\`; each response lists the codes that it can have as its examples. A path that is not listed is answered with 404 \`not_found\`, another method with 405 \`method_not_allowed\`. A HEAD is answered as a GET, without the body.`;

export const SERVER = { url: "/", description: "This server." };

export function openapiOptions(version: string) {
  return {
    openapi: "3.1.0",
    info: {
      title: "Pressrun",
      version,
      description: DESCRIPTION,
      summary: "A CSV of product image URLs in; compressed images, a result CSV, a live status and a signed webhook out.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [SERVER],
    tags: [
      { name: "batches", description: "Upload a file and see how it stands." },
      { name: "outputs", description: "Fetch what was made." },
      { name: "reports", description: "Ask what was done, in all batches." },
      { name: "service", description: "For operators." },
    ],
    components: {
      examples: PROBLEM_EXAMPLES,
      securitySchemes: { apiKey: { type: "http", scheme: "bearer", description: "One of API_KEYS, where the service has any." } },
    },
    security: [{}, { apiKey: [] }],
    webhooks: {
      batchEnded: webhook(
        "batchEnded",
        "A batch has ended",
        "`batch.completed`, `batch.failed` or `batch.cancelled`, once for each run. With webhookPayload=seed it comes as a SeedEvent.",
        ["BatchEvent", "SeedEvent"],
      ),
      batchPaused: webhook(
        "batchPaused",
        "A batch was paused",
        "`batch.paused`: more of it failed than its pauseAtFailurePercent allows, somebody paused it, or only images of paused hosts are left; `data.pauseReason` says which. It waits to be resumed.",
      ),
      batchResumed: webhook("batchResumed", "A batch was resumed", "`batch.resumed`: it goes on where it was, with all of its hosts."),
      batchHostPaused: webhook(
        "batchHostPaused",
        "One host of a batch was paused",
        "`batch.host_paused`: more of the images tried at the host failed than the batch's pauseHostAtFailurePercent allows. `data.pausedHost` names the host and has the URL that resumes it. The images of other hosts go on.",
      ),
      batchHostResumed: webhook(
        "batchHostResumed",
        "One host of a batch was resumed",
        "`batch.host_resumed`: the images of the host go on. `data.pausedHost` shows how the host stood until then.",
      ),
    },
  } as const;
}

export type OpenapiDocument = Parameters<typeof nameSchemas>[0] & {
  paths: Record<string, Record<string, { operationId?: string; requestBody?: object }>>;
};

/** Operations whose body may be left out; the generator takes every body for required. */
const OPTIONAL_BODIES = new Set(["resumeBatch"]);

export function finishDocument(document: OpenapiDocument): object {
  for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path))) {
    if (OPTIONAL_BODIES.has(operation.operationId ?? "")) operation.requestBody = { ...operation.requestBody, required: false };
  }
  return nameSchemas(document);
}

const webhookHeader = (name: string, schema: object, description: string, example: unknown) => ({
  name,
  in: "header",
  required: true,
  schema,
  description,
  example,
});

/** Those of Standard Webhooks, which every event has. */
const WEBHOOK_HEADERS = [
  webhookHeader(
    "webhook-id",
    { type: "string", format: "uuid" },
    "The event's id, the same at every attempt: drop an event whose id you have seen.",
    ID,
  ),
  webhookHeader("webhook-timestamp", { type: "integer" }, "When this attempt began, in seconds since 1970.", 1_795_464_001),
  webhookHeader(
    "webhook-signature",
    { type: "string" },
    "`v1,` and a signature in base64. There can be several with a blank between them, of which one must be right.",
    "v1,tC8S6ZlEq0FhZ0cTBG6sUyoH2xJ8Wgq1nQwV4pYkR3o=",
  ),
];

function webhook(operationId: string, summary: string, types: string, shapes = ["BatchEvent"]) {
  const [first, ...others] = shapes.map((name) => ({ $ref: `#/components/schemas/${name}` }));
  return {
    post: {
      operationId,
      summary,
      description: `${types} Signed as Standard Webhooks says: verify \`webhook-signature\` over \`{webhook-id}.{webhook-timestamp}.{body}\`. Answer with a status of 2xx. After any other answer the event is sent again, for up to three days, with the same \`webhook-id\`; after 410 it is not.`,
      parameters: WEBHOOK_HEADERS,
      requestBody: {
        required: true,
        content: { "application/json": { schema: others.length === 0 ? first : { anyOf: [first, ...others] } } },
      },
      responses: { "2XX": { description: "Received." } },
    },
  };
}
