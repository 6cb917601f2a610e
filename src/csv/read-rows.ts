import { isUtf8 } from "node:buffer";
import { parse } from "fast-csv";
import type { RecordPage } from "./record-guard.ts";

export type Row = { line: number; cells: string[]; isLastCellQuoted: boolean };
export type RowFault = { line: number; code: "invalid_utf8" | "unclosed_quote"; message: string };
export type RowReader = { read(page: RecordPage): Promise<Row[] | RowFault> };

/** Turns pages of whole records into rows of cells with fast-csv: always lists, since an object would lose `__proto__`. */
export function createRowReader(delimiter: string): RowReader {
  const parser = parse({ headers: false, delimiter, quote: '"', escape: '"', ignoreEmpty: false });
  let rows: string[][] = [];
  let fault: Error | undefined;
  parser.on("data", (row: string[]) => rows.push(row));
  parser.on("error", (error: Error) => (fault = error));

  const parseText = (text: string) =>
    new Promise<void>((resolve) => {
      parser.write(text, () => resolve());
    });

  return {
    async read({ bytes, records }) {
      if (!isUtf8(bytes)) return invalidUtf8(bytes, records);
      rows = [];
      // A last CR could be half of a CRLF, for which fast-csv would wait; a last record can lack its line break.
      await parseText(`${bytes.toString("utf8").replace(/\r\n?$|\n$/, "")}\n`);
      if (fault || rows.length !== records.length) return strayQuote(records, rows.length, fault);
      return records.map((record, index) => ({ ...record, cells: rows[index] ?? [] }));
    },
  };
}

function invalidUtf8(bytes: Buffer, records: RecordPage["records"]): RowFault {
  const lines = bytes.toString("latin1").split(/\r\n|\n|\r/);
  const bad = lines.findIndex((line) => !isUtf8(Buffer.from(line, "latin1")));
  const line = (records[0]?.line ?? 1) + Math.max(bad, 0);
  return { line, code: "invalid_utf8", message: `Expected UTF-8, got bytes in line ${line} that are not; save the file as “CSV UTF-8” and upload that.` };
}

function strayQuote(records: RecordPage["records"], parsed: number, fault: Error | undefined): RowFault {
  const line = records[Math.min(parsed, records.length - 1)]?.line ?? 1;
  const said = fault ? ` (${fault.message.slice(0, 120).replaceAll(/\s+/g, " ")})` : "";
  return { line, code: "unclosed_quote", message: `Expected a delimiter or the end of the line after a closing quote, near line ${line}${said}; double a quote that is meant as text.` };
}
