import type { Readable } from "node:stream";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Static } from "typebox";
import Value from "typebox/value";
import { ResumeRequest } from "../contract/batch.ts";
import type { BatchRow } from "../db/batches.ts";
import type { BudgetChange } from "../db/pause-batch.ts";
import { BatchParams, getBatch, type BatchDeps } from "./batch-routes.ts";
import { viewBatch } from "./batch-view.ts";
import { CHANGE_PROBLEMS, problemResponses } from "./problem-responses.ts";
import { ProblemError } from "./problems.ts";

export type PauseRouteDeps = Pick<BatchDeps, "findBatch"> & {
  settings: { publicUrl: () => string };
  /** Null where there is nothing to pause. */
  pauseBatch(batchId: string): Promise<BatchRow | null>;
  /** Null where it is not paused. */
  resumeBatch(batchId: string, change: BudgetChange): Promise<BatchRow | null>;
};

/** One number. */
const BODY_BYTES_MAX = 1024;

export function addPauseRoutes(app: FastifyInstance, deps: PauseRouteDeps): void {
  const idOf = async (request: FastifyRequest) => (await getBatch(deps, (request.params as Static<typeof BatchParams>).batchId)).batchId;
  const view = (batch: BatchRow) => viewBatch(batch, deps.settings.publicUrl());

  app.post("/v1/batches/:batchId/pause", {
    schema: {
      operationId: "pauseBatch", summary: "Pause a batch", tags: ["batches"], params: BatchParams,
      description: "Nothing new of the batch is tried until it is resumed; what is in hand ends normally, and where that was the last of it, so does the batch. A batch that is paused already stays as it is.",
      response: { 200: { description: "The batch, paused.", $ref: "Batch#" }, ...problemResponses([...CHANGE_PROBLEMS, "batch_not_found", "batch_ended"]) },
    },
  }, async (request, reply) => {
    const batchId = await idOf(request);
    const batch = (await deps.pauseBatch(batchId)) ?? (await getBatch(deps, batchId));
    if (batch.pausedAt === null) throw new ProblemError("batch_ended", "Expected a batch with something left to try; all of this one is settled.");
    reply.header("cache-control", "no-store");
    return view(batch);
  });

  app.post("/v1/batches/:batchId/resume", {
    validatorCompiler: () => () => true,
    schema: {
      operationId: "resumeBatch", summary: "Resume a paused batch", tags: ["batches"], params: BatchParams,
      description: "Takes a paused batch up again, once, with each of its open images; with a body, under another failure budget. What failed before the resume no longer counts against the budget.",
      body: { content: { "application/json": { schema: { $ref: "ResumeRequest#" } } } },
      response: { 200: { description: "The batch, no longer paused.", $ref: "Batch#" }, ...problemResponses([...CHANGE_PROBLEMS, "batch_not_found", "batch_not_paused", "upload_too_large", "invalid_options"]) },
    },
  }, async (request, reply) => {
    const batchId = await idOf(request);
    const { pauseAtFailurePercent: percent } = await readResume(request);
    const batch = await deps.resumeBatch(batchId, percent === undefined ? null : { percent });
    if (!batch) throw new ProblemError("batch_not_paused", "Expected a batch that is paused; this one is not (any more).");
    reply.header("cache-control", "no-store");
    return view(batch);
  });
}

async function readResume(request: FastifyRequest): Promise<ResumeRequest> {
  const text = request.body ? await readText(request.body as Readable) : "";
  if (text.trim() === "") return {};
  const body = parse(text);
  if (Value.Check(ResumeRequest, body)) return body;
  const message = 'Expected an object such as {"pauseAtFailurePercent":50}, with 1 to 100, or null for no budget.';
  throw new ProblemError("invalid_options", message, { errors: [{ field: "pauseAtFailurePercent", message }], errorCount: 1 });
}

/** JSON comes as a stream on every route, since uploads do. */
async function readText(source: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new ProblemError("upload_too_large", `Expected at most ${BODY_BYTES_MAX} bytes of JSON.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ProblemError("bad_request", 'Expected JSON such as {"pauseAtFailurePercent":50}, or no body, got what is neither.');
  }
}
