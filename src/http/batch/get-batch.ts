import type { FastifyRequest } from "fastify";
import Type, { type Static } from "typebox";
import { ID } from "../../contract/terms.ts";
import type { BatchRow } from "../../db/batches.ts";
import { isUuid } from "../../domain/ids.ts";
import { ProblemError } from "../problems.ts";

export type BatchLookup = { findBatch(batchId: string): Promise<BatchRow | null> };

export const BatchParams = Type.Object({ batchId: Type.String({ description: "The batch's id.", examples: [ID] }) });

/** The batch that a path names, or `batch_not_found`. `called`: what the route calls its id. */
export async function getBatch(deps: BatchLookup, id: string, called = "batchId"): Promise<BatchRow> {
  const batchId = id.toLowerCase();
  const batch = isUuid(batchId) ? await deps.findBatch(batchId) : null;
  if (!batch) throw new ProblemError("batch_not_found", `Expected the ${called} of an upload; this one is not known.`);
  return batch;
}

/** The batch that the path of a route of /v1 names. */
export async function getBatchInPath(deps: BatchLookup, { params }: FastifyRequest): Promise<BatchRow> {
  return getBatch(deps, (params as Static<typeof BatchParams>).batchId);
}
