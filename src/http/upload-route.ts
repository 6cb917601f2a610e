import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Accepted } from "../contract/http.ts";
import { outputUrl, RESULT_FILE_NAME, statusUrl } from "../domain/batch-event.ts";
import type { Acceptance, Upload } from "../intake/accept-upload.ts";
import { problemResponses } from "./openapi.ts";
import { ProblemError } from "./problems.ts";
import { readOptions } from "./read-options.ts";
import { receiveUpload } from "./receive-upload.ts";

export type UploadDeps = {
  settings: { publicUrl: () => string; uploadBytesMax: number };
  tempPath(extension: string): string;
  discard(tempPath: string): Promise<void>;
  acceptUpload(upload: Upload): Promise<Acceptance>;
};

/** A million rows over 1 Mbit/s take a quarter of an hour; a client that trickles does not hold a slot for longer. */
const UPLOAD_MS = 30 * 60 * 1_000;

export function addUploadRoute(app: FastifyInstance, deps: UploadDeps, prefix: "" | "/api"): void {
  app.post(`${prefix}/uploadAndProcessDocument`, {
    schema: {
      operationId: prefix === "" ? "uploadAndProcessDocument" : "uploadAndProcessDocumentUnderApi",
      summary: "Upload a CSV of image URLs",
      description: "Takes multipart/form-data with the CSV in the field `file` and options as other fields, or the CSV itself as text/csv with options in the query. The images are processed after the answer.",
      tags: ["batches"],
      response: { 202: { description: "Accepted.", headers: acceptedHeaders, $ref: "Accepted#" }, ...problemResponses(["bad_multipart", "unauthorized", "forbidden_origin", "request_timeout", "upload_too_large", "unsupported_media_type", "invalid_csv", "unavailable", "storage_full"]) },
    },
  }, async (request, reply) => {
    const accepted = await handleUpload(deps, request);
    return reply.code(202).headers({ location: accepted.statusUrl, "retry-after": "1", "cache-control": "no-store" }).send(accepted);
  });
}

const acceptedHeaders = {
  Location: { type: "string", description: "The status URL." },
  "Retry-After": { type: "string", description: "Seconds until a first look is worth it." },
};

async function handleUpload(deps: UploadDeps, request: FastifyRequest): Promise<Accepted> {
  let path: string | undefined;
  try {
    const received = await receiveUpload(request, { ...deps.settings, uploadMs: UPLOAD_MS, tempPath: (extension) => (path = deps.tempPath(extension)) });
    const result = await deps.acceptUpload({ spool: received, fileName: received.fileName, options: readOptions(received.fields) });
    return toAnswer(result, deps.settings.publicUrl());
  } finally {
    if (path !== undefined) await deps.discard(path);
  }
}

function toAnswer(result: Acceptance, publicUrl: string): Accepted {
  if (!result.ok && result.kind === "webhook") {
    throw new ProblemError("invalid_webhook", result.message, { errors: [{ field: "webhookUrl", message: result.message }], errorCount: 1 });
  }
  if (!result.ok) {
    const { problems, problemCount } = result;
    throw new ProblemError("invalid_csv", summarise(problems.length, problemCount), { errors: problems, errorCount: problemCount });
  }
  return {
    requestId: result.batchId,
    status: "pending",
    message: `${result.products} ${result.products === 1 ? "product" : "products"} with ${result.images} ${result.images === 1 ? "image" : "images"} are queued.`,
    products: result.products,
    images: result.images,
    statusUrl: statusUrl(publicUrl, result.batchId),
    outputCsvUrl: outputUrl(publicUrl, result.token, RESULT_FILE_NAME),
    ...(result.webhookSecret === null ? {} : { webhookSecret: result.webhookSecret }),
  };
}

function summarise(listed: number, count: number): string {
  const which = count > listed ? `the first ${listed} are listed` : "they are listed";
  return `The CSV has ${count === 1 ? "1 problem" : `${count} problems`}; ${count === 1 ? "it is listed" : which} in \`errors\`. Nothing was stored.`;
}
