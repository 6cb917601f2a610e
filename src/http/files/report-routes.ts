import type { FastifyInstance } from "fastify";
import Type, { type Static } from "typebox";
import { REPORT_CSV_EXAMPLE, REPORT_EXAMPLE, ReportNameView } from "../../contract/report.ts";
import { ID, words } from "../../contract/terms.ts";
import { writeTable } from "../../csv/write-table.ts";
import { isReportTooLong, type OpenReport } from "../../db/report/read-report.ts";
import {
  isReportName,
  jsonOfRow,
  parseInstant,
  REPORT_FORMATS,
  REPORT_LIMIT_MAX,
  REPORT_NAMES,
  REPORT_VERSION,
  REPORTS,
  type ReportFilter,
  type ReportName,
} from "../../domain/report.ts";
import { getBatch, type BatchLookup } from "../batch/get-batch.ts";
import { problemResponses, READ_PROBLEMS } from "../problem-responses.ts";
import { ProblemError, unavailable } from "../problems.ts";
import { sendMade, type MadeDeps } from "./send-made.ts";

export type ReportRouteDeps = BatchLookup &
  MadeDeps & {
    /** Null where as many reports are being read as may be. */
    openReport(name: ReportName, filter: ReportFilter): Promise<OpenReport | null>;
  };

const Params = Type.Object({ name: ReportNameView });
const instant = (description: string) =>
  Type.Optional(Type.String({ maxLength: 40, description, examples: ["2026-11-24", "2026-11-24T08:00:00Z"] }));
const Query = Type.Object(
  {
    format: Type.Optional(words(REPORT_FORMATS, "The default is json.")),
    batchId: Type.Optional(
      Type.String({ maxLength: 36, description: "Only rows of this batch; throughput_hourly has no batches.", examples: [ID] }),
    ),
    since: instant(
      "Only rows from this time on. It is compared with the time of the batch's upload; for throughput_hourly with the hour, for deliveries with the time of the event, for delivery_attempts with that of the attempt. A day, or a time with its zone; one without a zone is in UTC.",
    ),
    until: instant("Only rows before this time."),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: REPORT_LIMIT_MAX,
        description: "How many rows come at most, the newest first; the default is all.",
        examples: [1_000],
      }),
    ),
  },
  { additionalProperties: false },
);

/** The SQL reports for people without a SQL client, written while they are read. */
export function addReportRoutes(app: FastifyInstance, deps: ReportRouteDeps): void {
  app.get(
    "/v1/reports/:name",
    {
      schema: {
        operationId: "getReport",
        summary: "Get a report",
        description:
          "The rows of a view of schema `report`, under the view's column names, as JSON or as CSV for a spreadsheet (text that would be taken for a formula has an apostrophe before it). All rows show the database at one moment. Where the connection breaks before the end, the report is not complete.",
        tags: ["reports"],
        params: Params,
        querystring: Query,
        response: {
          200: {
            description: "The report.",
            content: {
              "application/json": { schema: { $ref: "Report#" }, examples: { savings: { value: REPORT_EXAMPLE } } },
              "text/csv": { schema: { type: "string" }, examples: { savings: { value: REPORT_CSV_EXAMPLE } } },
            },
          },
          ...problemResponses([...READ_PROBLEMS, "report_not_found", "batch_not_found"]),
        },
      },
      attachValidation: true,
    },
    async (request, reply) => {
      const { name } = request.params as { name: string };
      if (!isReportName(name)) throw new ProblemError("report_not_found", `Expected a report's name: ${REPORT_NAMES.join(", ")}.`);
      if (request.validationError)
        throw new ProblemError(
          "bad_request",
          `Expected of the query: format (csv or json), batchId, since, until, limit (1 to ${REPORT_LIMIT_MAX}); got: ${request.validationError.message}.`,
        );
      const { format = "json", ...filter } = request.query as Static<typeof Query>;
      const report = await deps.openReport(name, await readFilter(deps, name, filter)).catch((error: unknown) => {
        throw isReportTooLong(error)
          ? new ProblemError("unavailable", "The report takes longer than a minute: ask for less of it with batchId, since or until.")
          : error;
      });
      if (!report) throw unavailable("As many reports are being read as may be at once; try again in a few seconds.", 5);
      // Its place is free when it is answered.
      if (request.method === "HEAD") await report.close();
      return sendMade(
        deps,
        { request, reply },
        {
          headers: headersOf(`${name}.${format}`, MEDIA_TYPES[format]),
          pieces: format === "csv" ? writeTable(report.columns, report.pages) : writeJson(name, report),
          onClose: () => void report.close(),
          failed: report.failed,
        },
      );
    },
  );
}

async function readFilter(deps: ReportRouteDeps, name: ReportName, query: Omit<Static<typeof Query>, "format">): Promise<ReportFilter> {
  if (query.batchId !== undefined && !REPORTS[name].hasBatch)
    throw new ProblemError("bad_request", `Expected no batchId, since ${name} is of all batches; see since and until.`);
  const batchId = query.batchId === undefined ? null : (await getBatch(deps, query.batchId)).batchId;
  return { batchId, since: readInstant("since", query.since), until: readInstant("until", query.until), limit: query.limit ?? null };
}

function readInstant(field: string, text: string | undefined): Date | null {
  const at = text === undefined ? null : parseInstant(text);
  if (text !== undefined && at === null)
    throw new ProblemError(
      "bad_request",
      `Expected ${field} as 2026-11-24 or 2026-11-24T08:00:00Z, got "${text}". A + in a query is written %2B.`,
    );
  return at;
}

const MEDIA_TYPES = { csv: "text/csv; charset=utf-8", json: "application/json; charset=utf-8" };

function headersOf(fileName: string, mediaType: string) {
  return {
    "content-type": mediaType,
    "content-disposition": `attachment; filename="${fileName}"`,
    "cache-control": "no-store",
  };
}

async function* writeJson(name: ReportName, { columns, pages }: OpenReport): AsyncGenerator<Buffer> {
  let before = `{"report":"${name}","version":${REPORT_VERSION},"rows":[`;
  for await (const rows of pages) {
    yield Buffer.from(before + rows.map((row) => jsonOfRow(columns, row)).join(",\n"));
    before = ",\n";
  }
  yield Buffer.from(before.startsWith("{") ? `${before}]}\n` : "]}\n");
}
