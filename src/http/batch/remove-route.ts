import type { FastifyInstance } from "fastify";
import { BatchParams, getBatch, getBatchInPath, type BatchLookup } from "./get-batch.ts";
import { CHANGE_PROBLEMS, problemResponses } from "../problem-responses.ts";
import { ProblemError } from "../problems.ts";

export type RemoveRouteDeps = BatchLookup & {
  /** False where there is no such batch, or it has not ended. */
  removeBatch(batchId: string): Promise<boolean>;
};

export function addRemoveRoute(app: FastifyInstance, deps: RemoveRouteDeps): void {
  app.delete(
    "/v1/batches/:batchId",
    {
      schema: {
        operationId: "removeBatch",
        summary: "Remove a batch",
        tags: ["batches"],
        params: BatchParams,
        description:
          "Removes a batch that has ended, for good: its uploaded file, originals, outputs, results, events and rows, and what was still to be delivered of it. From the answer on its URLs answer 404; its room on the disk is free some moments later. What another batch has reused of it stays with that batch.",
        response: {
          204: { description: "It is removed.", type: "null" },
          ...problemResponses([...CHANGE_PROBLEMS, "batch_not_found", "batch_not_ended"]),
        },
      },
    },
    async (request, reply) => {
      const { batchId } = await getBatchInPath(deps, request);
      if (!(await deps.removeBatch(batchId))) {
        await getBatch(deps, batchId);
        throw new ProblemError("batch_not_ended", "Expected a batch that has ended; cancel this one, and remove it when it has ended.");
      }
      return reply.code(204).send();
    },
  );
}
