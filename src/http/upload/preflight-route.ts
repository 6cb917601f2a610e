import type { FastifyInstance } from "fastify";
import { PreflightForm, PreflightQuery, type Preflight } from "../../contract/preflight.ts";
import type { CsvProblem } from "../../domain/batch/csv-problem.ts";
import type { PreflightOrder } from "../../intake/preflight.ts";
import { goneSignal } from "../gone-signal.ts";
import { PRODUCTS_BODY, streamedBody } from "../document/openapi.ts";
import { problemResponses, PREFLIGHT_PROBLEMS } from "../problem-responses.ts";
import { ProblemError } from "../problems.ts";
import { readPreflightOptions } from "../../intake/options/read-options.ts";
import { receiveAny } from "./receive-any.ts";
import { withUpload, type TakeDeps } from "./take-upload.ts";

export type PreflightRouteDeps = Omit<TakeDeps, "acceptUpload" | "findEarlier" | "digestUpload"> & {
  preflight(order: PreflightOrder, signal: AbortSignal): Promise<Preflight>;
};

/** Takes the same request as an upload, at another path: says what would become of it, and stores nothing. */
export function addPreflightRoute(app: FastifyInstance, deps: PreflightRouteDeps): void {
  const body = streamedBody(
    PreflightForm,
    { ...PRODUCTS_BODY, "application/json": { schema: { $ref: "PreflightRequest#" } } },
    { querystring: PreflightQuery },
  );
  app.post(
    "/v1/preflight",
    {
      validatorCompiler: body.validatorCompiler,
      schema: {
        ...body.schema,
        operationId: "preflight",
        summary: "Look at a file before it is uploaded",
        description:
          "Takes what POST /v1/batches takes, with the same options. The report says what the file is, what is in it and what is wrong with it, and with `probe` what will likely become of its images. A file with problems is answered with 200 as well, since the report is what was asked for. Nothing is stored.",
        tags: ["batches"],
        response: { 200: { description: "The report.", $ref: "Preflight#" }, ...problemResponses(PREFLIGHT_PROBLEMS) },
      },
    },
    async (request, reply) => {
      const gone = goneSignal(reply);
      const report = await withUpload(deps, request, { receive: receiveAny, gone }, async (_, fetched) => {
        const { path, bytes, fileName, ...given } = await fetched();
        return deps.preflight({ csv: { path, bytes, fileName }, ...readPreflightOptions(given) }, gone);
      }).catch(reportProducts);
      const [first] = report.problems;
      if (first?.code === "wrong_file_type") throw new ProblemError("wrong_file_type", first.message);
      return reply.header("cache-control", "no-store").send(report);
    },
  );
}

/** Products that are none are found while they are received: for an upload a refusal, here the report. */
function reportProducts(error: unknown): Preflight {
  if (!(error instanceof ProblemError) || error.problem !== "invalid_products") throw error;
  const problems = (error.more.errors ?? []).filter((one): one is CsvProblem => "line" in one);
  return {
    ok: false,
    fileName: null,
    bytes: 0,
    file: null,
    rows: 0,
    rowsWithoutImage: 0,
    products: 0,
    images: 0,
    imagesDistinct: 0,
    imagesInvalid: 0,
    hosts: [],
    hostCount: 0,
    imagesAtOtherHosts: 0,
    problems,
    problemCount: error.more.errorCount ?? problems.length,
    probe: null,
  };
}
