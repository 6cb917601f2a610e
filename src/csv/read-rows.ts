import { isUtf8 } from "node:buffer";
import { parse } from "fast-csv";
import type { RecordPage } from "./record-guard.ts";

export type Row = { line: number; cells: string[]; isLastCellQuoted: boolean };
/** Rows of a page; `badLine` is the first line whose bytes are not UTF-8 (they read as U+FFFD); not whole where fast-csv reads them otherwise. */
export type RowPage = { rows: Row[]; badLine: number | null; isWhole: boolean };
export type RowReader = { read(page: RecordPage): Promise<RowPage> };

/** Turns pages of whole records into rows of cells with fast-csv: always lists, since an object would lose `__proto__`. */
export function createRowReader(delimiter: string): RowReader {
  const parser = parse({ headers: false, delimiter, quote: '"', escape: '"', ignoreEmpty: false });
  let rows: string[][] = [];
  let failure: Error | undefined;
  parser.on("data", (row: string[]) => rows.push(row));
  parser.on("error", (error: Error) => (failure = error));

  return {
    async read({ bytes, records }) {
      rows = [];
      // A last CR could be half of a CRLF, for which fast-csv would wait; a last record can lack its line break.
      const body = bytes.toString("utf8").replace(/\r\n?$|\n$/, "");
      const text = body + (body.endsWith("\r") ? "\r\n" : "\n");
      await new Promise<void>((resolve) => parser.write(text, () => resolve()));
      return {
        isWhole: failure === undefined && rows.length === records.length,
        rows: records.map((record, index) => ({ ...record, cells: rows[index] ?? [] })),
        badLine: isUtf8(bytes) ? null : findBadLine(bytes, records[0]?.line ?? 1),
      };
    },
  };
}

function findBadLine(bytes: Buffer, firstLine: number): number {
  const lines = bytes.toString("latin1").split(/\r\n|\n|\r/);
  return firstLine + Math.max(0, lines.findIndex((line) => !isUtf8(Buffer.from(line, "latin1"))));
}
