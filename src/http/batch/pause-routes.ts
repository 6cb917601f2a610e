import type { FastifyInstance, FastifyRequest } from "fastify";
import Type from "typebox";
import { Check } from "typebox/schema";
import { ResumeRequest } from "../../contract/batch.ts";
import type { BatchRow } from "../../db/batches.ts";
import type { BudgetChange } from "../../db/pause-batch.ts";
import { HOST_LENGTH_MAX } from "../../domain/load/host-pause.ts";
import { viewBatch } from "./batch-view.ts";
import { BatchParams, getBatch, getBatchInPath, type BatchLookup } from "./get-batch.ts";
import { CHANGE_PROBLEMS, problemResponses } from "../problem-responses.ts";
import { faultIn, ProblemError } from "../problems.ts";
import { readSmallJson } from "./read-small-json.ts";

export type PauseRouteDeps = BatchLookup & {
  settings: { publicUrl: () => string; uploadMs: number };
  /** Null where there is nothing to pause. */
  pauseBatch(batchId: string): Promise<BatchRow | null>;
  /** With its paused hosts. Null where nothing of it is paused. */
  resumeBatch(batchId: string, change: BudgetChange): Promise<BatchRow | null>;
  /** Null where the host is not paused in it. The budget of hosts stays where `percent` is undefined. */
  resumeHost(batchId: string, host: string, percent: number | null | undefined): Promise<BatchRow | null>;
};

const ResumeQuery = Type.Object({
  host: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: HOST_LENGTH_MAX,
      description: "The host to resume, as `pausedHosts` names it; whatever else is paused stays paused.",
      examples: ["cdn.example"],
    }),
  ),
});

export function addPauseRoutes(app: FastifyInstance, deps: PauseRouteDeps): void {
  addPauseRoute(app, deps);
  addResumeRoute(app, deps);
}

function addPauseRoute(app: FastifyInstance, deps: PauseRouteDeps): void {
  app.post(
    "/v1/batches/:batchId/pause",
    {
      schema: {
        operationId: "pauseBatch",
        summary: "Pause a batch",
        tags: ["batches"],
        params: BatchParams,
        description:
          "No further image of the batch is tried until the batch is resumed. An image that is being fetched ends normally if it comes within two seconds; otherwise it waits for the resume. Where no image is left after that, the batch ends. A batch that is paused already stays as it is.",
        response: {
          200: { description: "The batch, paused.", $ref: "Batch#" },
          ...problemResponses([...CHANGE_PROBLEMS, "batch_not_found", "batch_ended"]),
        },
      },
    },
    async (request, reply) => {
      const { batchId } = await getBatchInPath(deps, request);
      const batch = (await deps.pauseBatch(batchId)) ?? (await getBatch(deps, batchId));
      if (batch.pausedAt === null || batch.cancelledAt !== null)
        throw new ProblemError(
          "batch_ended",
          "Expected a batch with something left to try; all of this one is settled, or it was cancelled.",
        );
      reply.header("cache-control", "no-store");
      return viewBatch(batch, deps.settings.publicUrl());
    },
  );
}

function addResumeRoute(app: FastifyInstance, deps: PauseRouteDeps): void {
  app.post(
    "/v1/batches/:batchId/resume",
    {
      validatorCompiler: () => () => true,
      schema: {
        operationId: "resumeBatch",
        summary: "Resume a paused batch, or one of its hosts",
        tags: ["batches"],
        params: BatchParams,
        querystring: ResumeQuery,
        description:
          "Goes on with a paused batch and with all of its paused hosts; with `host`, goes on with that host only. A body sets other failure budgets. Images that failed before the resume no longer count against a budget.",
        body: { content: { "application/json": { schema: { $ref: "ResumeRequest#" } } } },
        response: {
          200: { description: "The batch, no longer paused, or with one paused host less.", $ref: "Batch#" },
          ...problemResponses([
            ...CHANGE_PROBLEMS,
            "batch_not_found",
            "batch_ended",
            "batch_not_paused",
            "host_not_paused",
            "upload_too_large",
            "invalid_options",
          ]),
        },
      },
    },
    async (request, reply) => {
      const { batchId } = await getBatchInPath(deps, request);
      const budgets = await readResume(request, deps.settings.uploadMs);
      const host = readHost(request.query);
      reply.header("cache-control", "no-store");
      const batch = host === null ? await resumeWhole(deps, batchId, budgets) : await resumeOne(deps, batchId, host, budgets);
      return viewBatch(batch, deps.settings.publicUrl());
    },
  );
}

async function resumeWhole(deps: PauseRouteDeps, batchId: string, budgets: ResumeRequest): Promise<BatchRow> {
  const { pauseAtFailurePercent: percent, pauseHostAtFailurePercent: hostPercent } = budgets;
  const batch = await deps.resumeBatch(batchId, {
    ...(percent === undefined ? {} : { percent }),
    ...(hostPercent === undefined ? {} : { hostPercent }),
  });
  if (batch) return batch;
  await refuseCancelled(deps, batchId);
  throw new ProblemError("batch_not_paused", "Expected a batch that is paused, or of which a host is; this one is not (any more).");
}

async function resumeOne(deps: PauseRouteDeps, batchId: string, host: string, budgets: ResumeRequest): Promise<BatchRow> {
  if (budgets.pauseAtFailurePercent !== undefined) {
    const message = "Expected no budget of the whole batch with the resume of a host, only pauseHostAtFailurePercent.";
    throw faultIn("invalid_options", "pauseAtFailurePercent", message);
  }
  const batch = await deps.resumeHost(batchId, host, budgets.pauseHostAtFailurePercent);
  if (batch) return batch;
  await refuseCancelled(deps, batchId);
  throw new ProblemError(
    "host_not_paused",
    `Expected one of the hosts that are paused in this batch (pausedHosts lists them); ${JSON.stringify(host)} is not (any more).`,
  );
}

async function refuseCancelled(deps: PauseRouteDeps, batchId: string): Promise<void> {
  const { cancelledAt } = await getBatch(deps, batchId);
  if (cancelledAt === null) return;
  throw new ProblemError(
    "batch_ended",
    "Expected a batch that can go on; this one was cancelled. Upload what is left of it (failures.csv) as a new one.",
  );
}

/** Null where the whole batch is meant. A parameter that is misspelt must not resume more than was asked for. */
function readHost(query: unknown): string | null {
  const { host, ...others } = query as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw faultIn("invalid_options", unknown, "there is no such parameter; there is host");
  if (host === undefined) return null;
  if (!Check(ResumeQuery, { host }))
    throw faultIn("invalid_options", "host", `Expected one host of 1 to ${HOST_LENGTH_MAX} characters, as pausedHosts names it.`);
  return String(host).toLowerCase();
}

async function readResume(request: FastifyRequest, uploadMs: number): Promise<ResumeRequest> {
  const body = await readSmallJson(request, uploadMs, 'JSON such as {"pauseAtFailurePercent":50}, or no body');
  if (body === undefined) return {};
  if (Check(ResumeRequest, body)) return body;
  const message =
    'Expected an object such as {"pauseAtFailurePercent":50} or {"pauseHostAtFailurePercent":50}, with 1 to 100, or null for no budget.';
  throw faultIn("invalid_options", "pauseAtFailurePercent", message, message);
}
