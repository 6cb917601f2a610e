import type { FastifyInstance, FastifyRequest } from "fastify";
import type { BatchRow } from "../../db/batches.ts";
import { viewBatch } from "./batch-view.ts";
import { BatchParams, getBatch, getBatchInPath, type BatchLookup } from "./get-batch.ts";
import { CHANGE_PROBLEMS, problemResponses } from "../problem-responses.ts";
import { faultIn, ProblemError } from "../problems.ts";
import { readSmallJson } from "./read-small-json.ts";

export type CancelRouteDeps = BatchLookup & {
  settings: { publicUrl: () => string; uploadMs: number };
  /** Null where there is nothing to cancel (any more). */
  cancelBatch(batchId: string): Promise<BatchRow | null>;
};

export function addCancelRoute(app: FastifyInstance, deps: CancelRouteDeps): void {
  app.post(
    "/v1/batches/:batchId/cancel",
    {
      validatorCompiler: () => () => true,
      schema: {
        operationId: "cancelBatch",
        summary: "Cancel a batch",
        tags: ["batches"],
        params: BatchParams,
        description:
          "No further image of the batch is tried, ever. An image that is being fetched ends normally if it comes within two seconds. After that the batch ends: its `status` is `cancelled`, what was never tried is `skipped`, and outputs, results and the webhook are there as at any end. `cancelledAt` tells of a cancelled batch before that. It takes no options. A batch that is cancelled already stays as it is.",
        response: {
          200: { description: "The batch, cancelled; `finishedAt` tells whether it has ended.", $ref: "Batch#" },
          ...problemResponses([...CHANGE_PROBLEMS, "batch_not_found", "batch_ended", "upload_too_large", "invalid_options"]),
        },
      },
    },
    async (request, reply) => {
      await refuseOptions(request, deps.settings.uploadMs);
      const { batchId } = await getBatchInPath(deps, request);
      const batch = (await deps.cancelBatch(batchId)) ?? (await getBatch(deps, batchId));
      if (batch.cancelledAt === null)
        throw new ProblemError("batch_ended", "Expected a batch with something left to try; all of this one is settled.");
      reply.header("cache-control", "no-store");
      return viewBatch(batch, deps.settings.publicUrl());
    },
  );
}

/** What is meant for a part of it, as a resume can be for a host, must not end the whole batch: a cancel cannot be taken back. */
async function refuseOptions(request: FastifyRequest, uploadMs: number): Promise<void> {
  const body = await readSmallJson(request, uploadMs, "an empty JSON object, or no body");
  const isObject = typeof body === "object" && body !== null;
  if (body !== undefined && !isObject) throw faultIn("invalid_options", "body", "expected an empty JSON object, or no body");
  const [name] = Object.keys({ ...(request.query as object), ...body });
  if (name !== undefined) throw faultIn("invalid_options", name, "a cancel is of the whole batch and has no options");
}
