import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import type { BatchRow } from "../db/batches.ts";
import { viewBatch } from "./batch-view.ts";
import { BatchParams, getBatch, type BatchLookup } from "./get-batch.ts";
import { CHANGE_PROBLEMS, problemResponses } from "./problem-responses.ts";
import { ProblemError } from "./problems.ts";

export type CancelRouteDeps = BatchLookup & {
  settings: { publicUrl: () => string };
  /** Null where there is nothing to cancel (any more). */
  cancelBatch(batchId: string): Promise<BatchRow | null>;
};

export function addCancelRoute(app: FastifyInstance, deps: CancelRouteDeps): void {
  app.post(
    "/v1/batches/:batchId/cancel",
    {
      schema: {
        operationId: "cancelBatch",
        summary: "Cancel a batch",
        tags: ["batches"],
        params: BatchParams,
        description:
          "No further image of the batch is tried, ever. An image that is being fetched ends normally if it comes within two seconds. After that the batch ends: its `status` is `cancelled`, what was never tried is `skipped`, and outputs, results and the webhook are there as at any end. Until then it is `paused`. A batch that is cancelled already stays as it is.",
        response: {
          200: { description: "The batch, cancelled; `finishedAt` tells whether it has ended.", $ref: "Batch#" },
          ...problemResponses([...CHANGE_PROBLEMS, "batch_not_found", "batch_ended"]),
        },
      },
    },
    async (request, reply) => {
      const { batchId } = await getBatch(deps, (request.params as Static<typeof BatchParams>).batchId);
      const batch = (await deps.cancelBatch(batchId)) ?? (await getBatch(deps, batchId));
      if (batch.cancelledAt === null)
        throw new ProblemError("batch_ended", "Expected a batch with something left to try; all of this one is settled.");
      reply.header("cache-control", "no-store");
      return viewBatch(batch, deps.settings.publicUrl());
    },
  );
}
