import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import type { AcceptedBatch } from "../../contract/batch.ts";
import { UploadForm, UploadHeaders, UploadQuery } from "../../contract/upload.ts";
import type { BatchRow } from "../../db/batches.ts";
import type { ProductPage } from "../../db/list-products.ts";
import type { WaitingHost } from "../../db/waiting-hosts.ts";
import { writeCursor } from "../../domain/batch/cursor.ts";
import { ACCEPTED_HEADERS, acceptedHeaders, FOLLOW_HEADERS, followHeaders } from "../upload/answer-headers.ts";
import { viewBatch, viewProduct, viewWaitingHosts } from "./batch-view.ts";
import { BatchParams, getBatchInPath, type BatchLookup } from "./get-batch.ts";
import { goneSignal } from "../gone-signal.ts";
import { PRODUCTS_BODY, streamedBody } from "../document/openapi.ts";
import { pageQuery, placeOf, PRODUCTS_DEFAULT, PRODUCTS_MAX } from "./page-query.ts";
import { problemResponses, PRODUCTS_PROBLEMS, READ_PROBLEMS } from "../problem-responses.ts";
import { receiveAny } from "../upload/receive-any.ts";
import { takeUpload, type TakeDeps } from "../upload/take-upload.ts";

export type BatchDeps = TakeDeps &
  BatchLookup & {
    /** The newest first, those before `before`. */
    listBatches(page: { before: string | null; limit: number }): Promise<BatchRow[]>;
    /** For which images of the batch wait. */
    listWaitingHosts(batchId: string): Promise<WaitingHost[]>;
    listProducts(batchId: string, page: { afterLine: number; limit: number }, gone: AbortSignal): Promise<ProductPage>;
  };

const BATCHES_DEFAULT = 50;
const BatchesQuery = pageQuery(500, `How many a page holds at most; the default is ${BATCHES_DEFAULT}.`);
const ProductsQuery = pageQuery(PRODUCTS_MAX, `How many a page holds at most; the default is ${PRODUCTS_DEFAULT}.`);

/** The API of today; the seed's two routes do the same in its words. */
export function addBatchRoutes(app: FastifyInstance, deps: BatchDeps): void {
  addCreateBatch(app, deps);
  addListBatches(app, deps);
  addGetBatch(app, deps);
  addListProducts(app, deps);
}

/** Every way in: see receiveAny(). */
function addCreateBatch(app: FastifyInstance, deps: BatchDeps): void {
  const body = streamedBody(UploadForm, PRODUCTS_BODY, { querystring: UploadQuery, headers: UploadHeaders });
  app.post(
    "/v1/batches",
    {
      validatorCompiler: body.validatorCompiler,
      schema: {
        ...body.schema,
        operationId: "createBatch",
        summary: "Begin a batch",
        description:
          "Takes a file of any shop system as multipart/form-data (field `file`, options as other fields) or as the body itself (text/csv, options in the query), products as JSON or as application/x-ndjson (a product a line, options in the query), or the address of a CSV as JSON. The images are processed after the answer.",
        tags: ["batches"],
        response: {
          202: { description: "Accepted.", headers: ACCEPTED_HEADERS, $ref: "AcceptedBatch#" },
          ...problemResponses(PRODUCTS_PROBLEMS),
        },
      },
    },
    async (request, reply) => {
      // The database is not asked again: it may be gone, and without its key nobody is told the secret a second time.
      const taken = await takeUpload(deps, request, { receive: receiveAny, gone: goneSignal(reply), presetDefault: "balanced" });
      const { warnings, webhookSecret } = taken;
      const batch = viewBatch(taken.batch, deps.settings.publicUrl());
      const accepted: AcceptedBatch = {
        ...batch,
        ...(warnings.length === 0 ? {} : { warnings }),
        ...(webhookSecret === null ? {} : { webhookSecret }),
      };
      return reply.code(202).headers(acceptedHeaders(taken, batch.links.self)).send(accepted);
    },
  );
}

function addListBatches(app: FastifyInstance, deps: BatchDeps): void {
  app.get(
    "/v1/batches",
    {
      schema: {
        operationId: "listBatches",
        summary: "List batches, the newest first",
        description: "A page of all batches; `nextCursor` leads to the next page.",
        tags: ["batches"],
        querystring: BatchesQuery,
        response: { 200: { description: "A page of batches.", $ref: "BatchList#" }, ...problemResponses(READ_PROBLEMS) },
      },
    },
    async (request, reply) => {
      const { limit = BATCHES_DEFAULT, cursor } = request.query as Static<typeof BatchesQuery>;
      const batches = await deps.listBatches({ before: placeOf("batch", cursor), limit: limit + 1 });
      const shown = batches.slice(0, limit);
      const last = batches.length > limit ? shown.at(-1) : undefined;
      reply.header("cache-control", "no-store");
      return {
        batches: shown.map((batch) => viewBatch(batch, deps.settings.publicUrl())),
        nextCursor: last ? writeCursor("batch", last.batchId) : null,
      };
    },
  );
}

function addGetBatch(app: FastifyInstance, deps: BatchDeps): void {
  app.get(
    "/v1/batches/:batchId",
    {
      schema: {
        operationId: "getBatch",
        summary: "See how a batch stands",
        tags: ["batches"],
        params: BatchParams,
        description: "The batch's counts, times and links. Until it has ended, `Retry-After` says when another look is worth it.",
        response: {
          200: { description: "The batch.", headers: FOLLOW_HEADERS, $ref: "Batch#" },
          ...problemResponses([...READ_PROBLEMS, "batch_not_found"]),
        },
      },
    },
    async (request, reply) => {
      const batch = await getBatchInPath(deps, request);
      reply.headers(followHeaders(batch));
      const waiting = batch.finishedAt === null ? await deps.listWaitingHosts(batch.batchId) : [];
      return { ...viewBatch(batch, deps.settings.publicUrl()), ...viewWaitingHosts(waiting) };
    },
  );
}

function addListProducts(app: FastifyInstance, deps: BatchDeps): void {
  app.get(
    "/v1/batches/:batchId/products",
    {
      schema: {
        operationId: "listProducts",
        summary: "List a batch's products with their images",
        description: "The products in the order of the file. Each image has its outputs, or the reason why it has none.",
        tags: ["batches"],
        params: BatchParams,
        querystring: ProductsQuery,
        response: {
          200: {
            description: "A page of products. It holds fewer than `limit` where they have many images or long texts.",
            $ref: "ProductList#",
          },
          ...problemResponses([...READ_PROBLEMS, "batch_not_found"]),
        },
      },
    },
    async (request, reply) => {
      const batch = await getBatchInPath(deps, request);
      const { limit = PRODUCTS_DEFAULT, cursor } = request.query as Static<typeof ProductsQuery>;
      const { products, nextLine } = await deps.listProducts(
        batch.batchId,
        { afterLine: Number(placeOf("line", cursor) ?? 0), limit },
        goneSignal(reply),
      );
      reply.header("cache-control", "no-store");
      return {
        products: products.map((product) => viewProduct(product, batch, deps.settings.publicUrl())),
        nextCursor: nextLine === null ? null : writeCursor("line", nextLine),
      };
    },
  );
}
