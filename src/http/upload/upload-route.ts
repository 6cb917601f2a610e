import type { FastifyInstance } from "fastify";
import { UploadForm, UploadHeaders, UploadQuery, type Accepted } from "../../contract/upload.ts";
import { resultCsvUrl, statusUrl } from "../../domain/batch/batch-urls.ts";
import { ACCEPTED_HEADERS, acceptedHeaders } from "./answer-headers.ts";
import { goneSignal } from "../gone-signal.ts";
import { CSV_BODY, streamedBody } from "../document/openapi.ts";
import { problemResponses, UPLOAD_PROBLEMS } from "../problem-responses.ts";
import { receiveFile } from "./receive-upload.ts";
import { takeUpload, type TakeDeps, type Taken } from "./take-upload.ts";

/** The seed's own route. */
export function addUploadRoute(app: FastifyInstance, deps: TakeDeps, prefix: "" | "/api"): void {
  const body = streamedBody(UploadForm, CSV_BODY, { querystring: UploadQuery, headers: UploadHeaders });
  app.post(
    `${prefix}/uploadAndProcessDocument`,
    {
      validatorCompiler: body.validatorCompiler,
      schema: {
        ...body.schema,
        operationId: prefix === "" ? "uploadAndProcessDocument" : "uploadAndProcessDocumentUnderApi",
        summary: "Upload a CSV of image URLs",
        description:
          "Takes either multipart/form-data, with the CSV in the field `file` and options in further fields, or the CSV itself as text/csv, with options in the query. The images are processed after the answer.",
        tags: ["batches"],
        response: { 202: { description: "Accepted.", headers: ACCEPTED_HEADERS, $ref: "Accepted#" }, ...problemResponses(UPLOAD_PROBLEMS) },
      },
    },
    async (request, reply) => {
      const taken = await takeUpload(deps, request, { receive: receiveFile, gone: goneSignal(reply), presetDefault: "seed" });
      const accepted = toAnswer(taken, deps.settings.publicUrl());
      return reply.code(202).headers(acceptedHeaders(taken, accepted.statusUrl)).send(accepted);
    },
  );
}

function toAnswer({ batch, warnings, webhookSecret }: Taken, publicUrl: string): Accepted {
  const { batchId, token, products, imagesTotal: images } = batch;
  return {
    requestId: batchId,
    status: "pending",
    message: `${products} ${products === 1 ? "product" : "products"} with ${images} ${images === 1 ? "image" : "images"} are queued.`,
    products,
    images,
    statusUrl: statusUrl(publicUrl, batchId),
    outputCsvUrl: resultCsvUrl(publicUrl, token),
    ...(warnings.length === 0 ? {} : { warnings }),
    ...(webhookSecret === null ? {} : { webhookSecret }),
  };
}
