import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { readConfig } from "../../config.ts";
import { writeTable } from "../../csv/write-table.ts";
import { isReportMissing, isReportTooLong, openReport, type OpenReport } from "../../db/report/read-report.ts";
import { isUuid } from "../../domain/ids.ts";
import {
  isReportName,
  jsonOfRow,
  parseAgoOrInstant,
  REPORT_LIMIT_MAX,
  REPORT_NAMES,
  REPORTS,
  type ReportFilter,
  type ReportName,
} from "../../domain/report.ts";
import { formatTable } from "./format-table.ts";
import { openDatabase } from "./open-database.ts";
import { Unusable } from "../unusable.ts";

/** As the command line gave them. */
type ReportArgs = {
  name: string;
  format?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
  batch?: string | undefined;
  limit?: string | undefined;
};

const FORMATS = ["table", "csv", "json"] as const;
/** A table stays in memory until the widths of its columns are known, so that it has no more rows than this unless told otherwise. */
const TABLE_ROWS = 1_000;

/** Asks the database itself, whether or not a service runs. Rows of all tenants are shown, which whoever has its password can see anyway. */
export async function report(args: ReportArgs): Promise<void> {
  const { name, format, filter } = readArgs(args);
  const database = await openDatabase(readConfig(process.env, { isServed: false }));
  try {
    const opened = await openReport(database.url, name, { ...filter, tenantId: null }).catch((error: unknown) => {
      if (isReportTooLong(error))
        throw new Error("The report takes longer than a minute: ask for less of it with --batch, --since or --until, or in SQL.", {
          cause: error,
        });
      throw isReportMissing(error)
        ? new Error("The database has no reports yet: run `pressrun migrate`, or start this version's `pressrun serve` once.", {
            cause: error,
          })
        : error;
    });
    try {
      await print(opened, format, filter);
    } finally {
      await opened.close();
    }
  } finally {
    await database.close();
  }
}

async function print(opened: OpenReport, format: (typeof FORMATS)[number], { limit }: ReportFilter): Promise<void> {
  if (format === "table") return printTable(opened, limit);
  await write(format === "csv" ? writeTable(opened.columns, opened.pages) : jsonLines(opened));
}

async function printTable({ columns, pages }: OpenReport, limit: number | null): Promise<void> {
  const rows = [];
  for await (const page of pages) rows.push(...page);
  // One row more than is shown was asked for.
  const isCut = limit === TABLE_ROWS + 1 && rows.length > TABLE_ROWS;
  await write([formatTable(columns, isCut ? rows.slice(0, TABLE_ROWS) : rows)]);
  if (isCut) process.stderr.write(`There are more than ${TABLE_ROWS} rows: --limit N shows more of them, --format csv or json all.\n`);
}

/** A JSON array with each row on a line of its own. */
async function* jsonLines({ columns, pages }: OpenReport): AsyncGenerator<string> {
  let before = "[\n";
  for await (const rows of pages) {
    yield before + rows.map((row) => jsonOfRow(columns, row)).join(",\n");
    before = ",\n";
  }
  yield before === "[\n" ? "[]\n" : "\n]\n";
}

/** What is wrong with the output itself is told, and made the exit code, by program.ts; its reader may leave before its end (`| head`). */
async function write(pieces: AsyncIterable<string | Buffer> | Iterable<string | Buffer>): Promise<void> {
  let lost: unknown;
  process.stdout.once("error", (error) => (lost = error));
  await pipeline(Readable.from(pieces, { objectMode: false }), process.stdout, { end: false }).catch((error: unknown) => {
    if (error !== lost) throw error;
  });
}

function readArgs(args: ReportArgs): { name: ReportName; format: (typeof FORMATS)[number]; filter: ReportFilter } {
  const { name } = args;
  if (!isReportName(name)) throw new Unusable(`Expected a report's name (${REPORT_NAMES.join(", ")}), got "${name}".`);
  const format = FORMATS.find((known) => known === (args.format ?? "table"));
  if (!format) throw new Unusable(`--format: expected ${FORMATS.join(", ")}, got "${args.format}".`);
  const limit = args.limit === undefined ? null : readLimit(args.limit);
  const filter = {
    batchId: readBatch(name, args.batch),
    since: readInstant("--since", args.since),
    until: readInstant("--until", args.until),
    limit: limit ?? (format === "table" ? TABLE_ROWS + 1 : null),
  };
  return { name, format, filter };
}

function readLimit(text: string): number {
  const limit = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > REPORT_LIMIT_MAX)
    throw new Unusable(`--limit: expected a whole number from 1 to ${REPORT_LIMIT_MAX}, got "${text}".`);
  return limit;
}

function readBatch(name: ReportName, text: string | undefined): string | null {
  if (text === undefined) return null;
  if (!REPORTS[name].hasBatch) throw new Unusable(`--batch: ${name} is of all batches; see --since and --until.`);
  if (!isUuid(text.toLowerCase()))
    throw new Unusable(`--batch: expected a batchId such as 019abc12-3456-7def-8123-456789abcdef, got "${text}".`);
  return text;
}

function readInstant(flag: string, text: string | undefined): Date | null {
  if (text === undefined) return null;
  const at = parseAgoOrInstant(text, new Date());
  if (at === null) throw new Unusable(`${flag}: expected 2026-11-24, 2026-11-24T08:00Z, or 90m, 24h, 7d for so long ago, got "${text}".`);
  return at;
}
