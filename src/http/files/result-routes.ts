import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import Type, { type Static } from "typebox";
import { PRODUCT_EXAMPLE } from "../../contract/batch.ts";
import { FAILURES_EXAMPLE, RESULT_EXAMPLE, Token, words } from "../../contract/terms.ts";
import { RESULT_SHAPES } from "../../csv/write-result.ts";
import { writeFailuresFile, writeResultFile } from "../../csv/write-result-file.ts";
import type { BatchRow } from "../../db/batches.ts";
import { outputUrl, RESULT_FILES } from "../../domain/batch/batch-urls.ts";
import { isToken } from "../../domain/ids.ts";
import type { ProblemCode } from "../../domain/problem.ts";
import { outputNames } from "../../domain/image/recipe.ts";
import type { ProductResult, RecordedProduct } from "../../domain/batch/product-result.ts";
import type { StoredFile } from "../../storage/storage.ts";
import { viewProduct } from "../batch/batch-view.ts";
import { problemResponses } from "../problem-responses.ts";
import { ProblemError } from "../problems.ts";
import { fileHeaders, partialResponses, sendFile, type SendDeps } from "./send-file.ts";
import { sendMade, type Exchange, type MadeDeps } from "./send-made.ts";
import { zipOutputs, type ArchiveFiles } from "./zip-outputs.ts";

export type ResultDeps = MadeDeps & {
  settings: { publicUrl: () => string };
  findBatchByToken(token: string): Promise<BatchRow | null>;
  /** The result CSV, written when the batch ended; null where it is not there any more. */
  findResult(batchId: string): Promise<StoredFile | null>;
  productPages(batchId: string): AsyncIterable<ProductResult[]>;
  recordPages(batchId: string): AsyncIterable<RecordedProduct[]>;
  outputFiles(batchId: string): ArchiveFiles;
};

const Params = Type.Object({ token: Token });
const Shape = Type.Object({
  shape: Type.Optional(
    words(
      RESULT_SHAPES,
      "append (the default): the file with three columns more (Output Image Urls, Status, Errors), and one for each further output of the recipe. import: the file byte for byte, but that each URL of an image that is done is replaced by that of its output.",
    ),
  ),
});
const PROBLEMS = ["output_not_found", "result_not_ready", "unavailable"] as const;

const CSV = {
  "text/csv": {
    schema: { type: "string", description: "Text in the encoding of the uploaded file, which the charset of the Content-Type names." },
    example: RESULT_EXAMPLE,
  },
};

type ResultOperation = {
  operationId: string;
  summary: string;
  description: string;
  content: object;
  querystring?: object;
  more?: { headers?: object; responses?: object; problems: readonly ProblemCode[] };
};

type Send = (batch: BatchRow, exchange: Exchange) => Promise<FastifyReply>;
type Add = (name: string, operation: ResultOperation, send: Send) => void;

/** What a batch gives back as files: they lie beside its outputs, under the same secret token. */
export function addResultRoutes(app: FastifyInstance, deps: ResultDeps): void {
  const add: Add = (name, { content, more, ...schema }, send) => {
    app.get(
      `/outputs/:token/${name}`,
      {
        schema: {
          ...schema,
          tags: ["outputs"],
          security: [],
          params: Params,
          response: {
            200: { description: "The file.", content, ...(more?.headers && { headers: more.headers }) },
            ...more?.responses,
            ...problemResponses([...PROBLEMS, ...(more?.problems ?? [])]),
          },
        },
      },
      async (request, reply) => send(await getEnded(deps, request), { request, reply }),
    );
  };
  addResultCsv(add, deps);
  addFailuresCsv(add, deps);
  addResultsJsonl(add, deps);
  addArchive(add, deps);
}

function addResultCsv(add: Add, deps: ResultDeps): void {
  add(
    RESULT_FILES.resultsCsv,
    {
      operationId: "getResultCsv",
      summary: "Download the result CSV",
      content: CSV,
      querystring: Shape,
      more: { headers: fileHeaders, responses: partialResponses(CSV), problems: ["range_not_satisfiable"] },
      description: "The uploaded file in its own encoding, with its results.",
    },
    async (batch, exchange) => {
      const { shape = "append" } = exchange.request.query as Static<typeof Shape>;
      // One that is gone (a restore that was not whole, a disk that broke) is made once more of what it was made of.
      const file = shape === "append" ? await deps.findResult(batch.batchId) : null;
      if (file) return sendKept(deps, exchange, file, batch);
      const pieces = writeResultFile({
        facts: batch.csvFacts,
        shape,
        names: outputNames(batch.recipe),
        products: deps.recordPages(batch.batchId),
        outputUrl: (fileName) => outputUrl(deps.settings.publicUrl(), batch.token, fileName),
      });
      return sendMade(deps, exchange, { headers: headersOf(RESULT_FILES.resultsCsv, batch), pieces });
    },
  );
}

function addFailuresCsv(add: Add, deps: ResultDeps): void {
  add(
    RESULT_FILES.failuresCsv,
    {
      operationId: "getFailuresCsv",
      summary: "Download what failed",
      content: { "text/csv": { ...CSV["text/csv"], example: FAILURES_EXAMPLE } },
      description:
        "The rows of the uploaded file that have an image that failed or was cancelled, in the file's own columns: correct them and upload this file.",
    },
    async (batch, exchange) =>
      sendMade(deps, exchange, {
        headers: headersOf(RESULT_FILES.failuresCsv, batch),
        pieces: writeFailuresFile(batch.csvFacts, deps.recordPages(batch.batchId)),
      }),
  );
}

function addResultsJsonl(add: Add, deps: ResultDeps): void {
  add(
    RESULT_FILES.resultsJsonl,
    {
      operationId: "getResultsJsonl",
      summary: "Download the results as JSON Lines",
      content: {
        "application/x-ndjson": {
          schema: { type: "string", description: "A Product on each line." },
          example: `${JSON.stringify(PRODUCT_EXAMPLE)}\n`,
        },
      },
      description: "A product on each line, as `GET /v1/batches/{batchId}/products` shows it.",
    },
    async (batch, exchange) =>
      sendMade(deps, exchange, {
        headers: { ...headersOf(RESULT_FILES.resultsJsonl, batch), "content-type": "application/x-ndjson" },
        pieces: jsonLines(deps, batch),
      }),
  );
}

function addArchive(add: Add, deps: ResultDeps): void {
  add(
    RESULT_FILES.archive,
    {
      operationId: "getArchive",
      summary: "Download all outputs as one ZIP",
      content: { "application/zip": { schema: { type: "string", format: "binary", description: "The ZIP's bytes." } } },
      more: { problems: ["output_lost"] },
      description: "A ZIP of all outputs, made while it is sent. The outputs are not compressed a second time.",
    },
    async (batch, exchange) =>
      sendMade(deps, exchange, {
        headers: { ...headersOf(RESULT_FILES.archive, batch), "content-type": "application/zip" },
        pieces: zipOutputs(deps.outputFiles(batch.batchId)),
      }),
  );
}

async function getEnded(deps: ResultDeps, request: FastifyRequest): Promise<BatchRow> {
  const { token } = request.params as Static<typeof Params>;
  const batch = isToken(token) ? await deps.findBatchByToken(token) : null;
  if (!batch) throw new ProblemError("output_not_found", "Expected a link as an upload's answer and status give it.");
  if (batch.finishedAt === null)
    throw new ProblemError("result_not_ready", "The results are there when all images are settled.", { headers: { "retry-after": "2" } });
  return batch;
}

async function sendKept(deps: SendDeps, exchange: Exchange, file: StoredFile, batch: BatchRow): Promise<FastifyReply> {
  const etag = `"${file.bytes.toString(16)}-${Math.floor(file.modifiedAt.getTime()).toString(16)}"`;
  const headers = headersOf(RESULT_FILES.resultsCsv, batch);
  return sendFile(deps, exchange, {
    ...file,
    etag,
    mediaType: headers["content-type"],
    cacheControl: headers["cache-control"],
    disposition: headers["content-disposition"],
  });
}

/** A UTF-16 file says its byte order itself. */
function headersOf(fileName: string, { csvFacts: { encoding } }: BatchRow) {
  return {
    "content-type": `text/csv; charset=${encoding.startsWith("utf-16") ? "utf-16" : encoding}`,
    "cache-control": "private, no-cache",
    "content-disposition": `attachment; filename="${fileName}"`,
  };
}

async function* jsonLines(deps: ResultDeps, batch: BatchRow): AsyncGenerator<Buffer> {
  for await (const page of deps.productPages(batch.batchId)) {
    yield Buffer.from(page.map((product) => `${JSON.stringify(viewProduct(product, batch, deps.settings.publicUrl()))}\n`).join(""));
  }
}
