import type { FastifyInstance } from "fastify";
import Type, { type Static } from "typebox";
import type { BatchStatusView } from "../../contract/status.ts";
import { RequestId } from "../../contract/terms.ts";
import type { BatchRow } from "../../db/batches.ts";
import type { ProductPage } from "../../db/list-products.ts";
import { resultCsvUrl } from "../../domain/batch/batch-urls.ts";
import { writeCursor } from "../../domain/batch/cursor.ts";
import type { ProductResult } from "../../domain/batch/product-result.ts";
import { viewSeedProduct } from "../../domain/batch/seed-payload.ts";
import { FOLLOW_HEADERS, followHeaders } from "../upload/answer-headers.ts";
import { viewState } from "./batch-view.ts";
import { getBatch, type BatchLookup } from "./get-batch.ts";
import { goneSignal } from "../gone-signal.ts";
import { pageQuery, placeOf, PRODUCTS_DEFAULT, PRODUCTS_MAX } from "./page-query.ts";
import { problemResponses, READ_PROBLEMS } from "../problem-responses.ts";
import { ProblemError } from "../problems.ts";

export type StatusDeps = BatchLookup & {
  settings: { publicUrl: () => string };
  listProducts(batchId: string, page: { afterLine: number; limit: number }, gone: AbortSignal): Promise<ProductPage>;
};

const Params = Type.Object({ requestId: RequestId });
const Query = pageQuery(
  PRODUCTS_MAX,
  `How many products a page holds at most; the default is ${PRODUCTS_DEFAULT}. A page holds fewer where they have many images or long texts.`,
);

export function addStatusRoute(app: FastifyInstance, deps: StatusDeps, prefix: "" | "/api"): void {
  app.get(
    `${prefix}/getProcessingStatus/:requestId`,
    {
      schema: {
        operationId: prefix === "" ? "getProcessingStatus" : "getProcessingStatusUnderApi",
        summary: "See how an upload stands",
        description:
          "The batch and a page of its products, whose three lists of input URLs, output URLs and errors have the same length and order.",
        tags: ["batches"],
        params: Params,
        querystring: Query,
        response: {
          200: { description: "The batch with a page of its products.", headers: FOLLOW_HEADERS, $ref: "ProcessingStatus#" },
          ...problemResponses([...READ_PROBLEMS, "batch_not_found"]),
        },
      },
      // A malformed id names no batch: that is a 404 like any other unknown one.
      attachValidation: true,
    },
    async (request, reply) => {
      const { requestId } = request.params as Static<typeof Params>;
      const batch = await getBatch(deps, requestId, "requestId");
      if (request.validationError)
        throw new ProblemError("bad_request", `Expected limit from 1 to ${PRODUCTS_MAX} and cursor as nextCursor gave it.`);
      const { limit = PRODUCTS_DEFAULT, cursor } = request.query as Static<typeof Query>;
      const { products, nextLine } = await deps.listProducts(
        batch.batchId,
        { afterLine: Number(placeOf("line", cursor) ?? 0), limit },
        goneSignal(reply),
      );
      reply.headers(followHeaders(batch));
      return toView(batch, products, deps.settings.publicUrl(), nextLine === null ? null : writeCursor("line", nextLine));
    },
  );
}

function toView(batch: BatchRow, products: readonly ProductResult[], publicUrl: string, nextCursor: string | null): BatchStatusView {
  return {
    requestId: batch.batchId,
    ...viewState(batch, publicUrl),
    outputCsvUrl: resultCsvUrl(publicUrl, batch.token),
    products: products.map((product) => viewSeedProduct(product, batch, publicUrl)),
    nextCursor,
  };
}
