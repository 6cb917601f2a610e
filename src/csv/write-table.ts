import type { ReportCell } from "../domain/report.ts";
import { defuseFormula, formatCell } from "./write-result.ts";

/**
 * Rows as CSV (RFC 4180: commas, CRLF, UTF-8), piece by piece. Texts come from catalogues and servers: each that a
 * spreadsheet would take for a formula gets an apostrophe before it, as in the result CSV; numbers stay numbers.
 */
export async function* writeTable(
  columns: readonly string[],
  pages: AsyncIterable<readonly (readonly ReportCell[])[]>,
): AsyncGenerator<Buffer> {
  yield Buffer.from(`${columns.join(",")}\r\n`);
  for await (const rows of pages) yield Buffer.from(rows.map((row) => `${row.map(writeCell).join(",")}\r\n`).join(""));
}

function writeCell(cell: ReportCell): string {
  if (cell === null) return "";
  if (typeof cell === "string") return formatCell(defuseFormula(cell), ",");
  return typeof cell === "object" ? formatCell(JSON.stringify(cell), ",") : String(cell);
}
