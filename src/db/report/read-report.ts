import pg from "pg";
import { connectionOptions, unlessHanging } from "../connection/connect.ts";
import { openSession } from "../connection/session.ts";
import { errorCode } from "../../domain/error-code.ts";
import { REPORTS, type ReportCell, type ReportFilter, type ReportName } from "../../domain/report.ts";

export type OpenReport = {
  columns: string[];
  /** Pages of rows, read as they are asked for. Throws where the database goes away, or REPORT_MS ends, before the report does. */
  pages: AsyncIterable<ReportCell[][]>;
  /** Aborted with what `pages` would throw, for whoever asks for no page while his own reader stands still. */
  failed: AbortSignal;
  /** To be called once nobody reads any more. Ends the connection, whether or not all was read. */
  close(): Promise<void>;
};

const PAGE_ROWS = 1_000;
/** For each page; for the first of a summary of everything that is all of the work. */
const STATEMENT_MS = 60_000;
/** A report holds a snapshot of the database while it is read, which keeps dead rows of the queue from being cleared away. */
const REPORT_MS = 5 * 60_000;

/**
 * Reads a view of schema `report` on a connection of its own, in one read-only transaction, so that all pages are of one
 * moment. A tenant of null stands for all tenants. The first page is there when this resolves.
 */
export async function openReport(url: string, name: ReportName, filter: ReportFilter & { tenantId: string | null }): Promise<OpenReport> {
  const client = new pg.Client({ ...connectionOptions(url, "pressrun report"), types: { getTypeParser: parserOf } });
  const failing = new AbortController();
  client.on("error", (error) => failing.abort(error));
  const deadline = setTimeout(() => {
    failing.abort(new Error(`the report was not read within ${REPORT_MS / 1_000} s`));
    void end();
  }, REPORT_MS);
  const end = () => unlessHanging(client.end().catch(() => {}));
  const close = async () => {
    clearTimeout(deadline);
    await end();
  };
  const readPage = async () => {
    failing.signal.throwIfAborted();
    return client.query<ReportCell[]>({ text: `fetch ${PAGE_ROWS} from report`, rowMode: "array" });
  };
  try {
    await openSession(client);
    // Whoever reads may take his time for a page: it locks nothing, and REPORT_MS ends it.
    await client.query(`begin read only; set local statement_timeout = ${STATEMENT_MS}; set local idle_in_transaction_session_timeout = 0`);
    const { text, values } = reportQuery(name, filter);
    await client.query(`declare report no scroll cursor for ${text}`, values);
    const first = await readPage();
    const columns = first.fields.map((field) => field.name);
    return { columns, pages: pagesFrom(first.rows, readPage, end), failed: failing.signal, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function* pagesFrom(
  first: ReportCell[][],
  readPage: () => Promise<{ rows: ReportCell[][] }>,
  end: () => Promise<void>,
): AsyncGenerator<ReportCell[][]> {
  try {
    for (let rows = first; rows.length > 0;) {
      yield rows;
      rows = rows.length < PAGE_ROWS ? [] : (await readPage()).rows;
    }
  } finally {
    // Not the deadline: who has got the last page has yet to read it.
    await end();
  }
}

/** All names in the text are from REPORTS; what a caller gives is passed as values. */
function reportQuery(
  name: ReportName,
  { tenantId, batchId, since, until, limit }: ReportFilter & { tenantId: string | null },
): { text: string; values: unknown[] } {
  const { order, time } = REPORTS[name];
  const given: [string, unknown][] = [
    ["tenant_id =", tenantId],
    ["batch_id =", batchId],
    [`${time} >=`, since],
    [`${time} <`, until],
  ];
  const asked = given.filter(([, value]) => value !== null);
  const where = asked.map(([condition], index) => `${condition} $${index + 1}`).join(" and ");
  const text = `select * from report.${name}${where === "" ? "" : ` where ${where}`} order by ${order}${limit === null ? "" : ` limit ${Math.trunc(limit)}`}`;
  return { text, values: asked.map(([, value]) => value) };
}

const INT8 = 20;
const NUMERIC = 1700;
const TIMESTAMPTZ = 1184;

/** Counts, bytes and seconds fit a double. Times keep three digits, as in the API. */
function parserOf(type: number, format?: "text" | "binary"): (text: string) => ReportCell {
  if (type === INT8 || type === NUMERIC) return Number;
  const parse = pg.types.getTypeParser(type, format) as (text: string) => ReportCell;
  return type === TIMESTAMPTZ ? (text) => (parse(text) as Date).toISOString() : parse;
}

/** Whether a page of it took longer than a statement may. */
export function isReportTooLong(error: unknown): boolean {
  return errorCode(error) === "57014";
}

/** Whether the views are there: a database of an earlier version has none. */
export function isReportMissing(error: unknown): boolean {
  return ["42P01", "3F000"].includes(errorCode(error));
}
