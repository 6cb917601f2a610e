import { reduceHeader } from "./dialects/dialect.ts";
import type { CatalogueFacts } from "../domain/batch/catalogue-facts.ts";
import { imageCell, imageSpans, runsOver } from "./read-product.ts";
import { cellOf, isBlankRecord, isQuoted, scanRecord, type CsvRecord } from "./scan-record.ts";
import { encodeText } from "./text-encoding.ts";

/** `append`: the file with our columns added. `import`: the file with output URLs in the place of their sources. */
export const RESULT_SHAPES = ["append", "import"] as const;
export type ResultShape = (typeof RESULT_SHAPES)[number];

export const RESULT_COLUMNS = ["Output Image Urls", "Status", "Errors"] as const;

export type ResultCells = {
  /** One for each input URL, at its position; null where there is no output. */
  outputs: readonly (string | null)[];
  /** The same for each further output of the recipe. */
  others: readonly (readonly (string | null)[])[];
  status: string;
  errors: readonly string[];
};

/** Gives pieces of the file in its own encoding; `record` is that of the product, as it came. */
type ResultWriter = { head(): Buffer; row(record: string, result: ResultCells): Buffer };

export function createResultWriter(facts: CatalogueFacts, shape: ResultShape, otherNames: readonly string[]): ResultWriter {
  const encode = (text: string) => encodeText(text, facts.encoding);
  const bom = facts.hasBom ? "\uFEFF" : "";
  if (shape === "import") {
    return { head: () => encode(bom + facts.head), row: (record, { outputs }) => encode(replaceUrls(record, facts, outputs)) };
  }
  const [urls, ...others] = RESULT_COLUMNS;
  const columns = [urls, ...otherNames.map((name) => `${urls} (${name})`), ...others];
  return {
    head: () =>
      encode(
        bom +
          appendCells(
            facts.head,
            facts,
            columns.map((name) => distinguish(name, facts.header)),
            facts.headerLine,
          ),
      ),
    row(record, result) {
      const lists = [result.outputs, ...result.others];
      const ours = [...lists.map((list) => list.map((url) => url ?? "").join(",")), result.status, result.errors.join("\n")];
      return encode(appendCells(record, facts, ours.map(defuseFormula), 1));
    },
  };
}

/** Gives rows as they came, for a file of some of them. */
export function createRowWriter(facts: CatalogueFacts): { head(): Buffer; row(record: string): Buffer } {
  return {
    head: () => encodeText((facts.hasBom ? "\uFEFF" : "") + facts.head, facts.encoding),
    // The last row of a file may lack its line break, and need not be the last of ours.
    row: (record) => encodeText(/[\r\n]$/.test(record) ? record : record + facts.newline, facts.encoding),
  };
}

/** Adds cells to the record that begins in this line of a text, and empty ones to blank rows around it; other lines stay as they are. */
function appendCells(text: string, facts: CatalogueFacts, cells: readonly string[], line: number): string {
  const { before, record, after } = takeRecord(text, facts, line);
  const { body, lineBreak } = splitLineBreak(record.text);
  const added = cells.map((cell) => formatCell(cell, facts.delimiter)).join(facts.delimiter);
  const around = (rows: string) => (rows === "" ? rows : appendEmpty(rows, facts, cells.length));
  return (
    around(before) + alignCells({ ...record, text: body }, facts) + facts.delimiter + added + (lineBreak || facts.newline) + around(after)
  );
}

/**
 * Adds empty cells to each blank row of delimiters, as spreadsheets write them below a table: COPY and `sqlite3 .import` take only rows of
 * one width. Lines without a delimiter are no rows to most readers, and lines with text stand above the table.
 */
function appendEmpty(text: string, facts: CatalogueFacts, count: number): string {
  let result = "";
  for (let from = 0; from < text.length;) {
    const { record } = takeRecord(text.slice(from), facts, 1);
    from += record.text.length;
    if (record.spans.length > 2 && isBlankRecord(record)) {
      const width = Math.min(record.spans.length / 2, facts.header.length);
      const cells = record.text.slice(0, endOfCell(record, width - 1));
      result += cells + facts.delimiter.repeat(facts.header.length - width + count) + splitLineBreak(record.text).lineBreak;
    } else result += record.text;
  }
  return result;
}

function takeRecord(
  text: string,
  facts: Pick<CatalogueFacts, "delimiter">,
  line: number,
): { before: string; record: CsvRecord; after: string } {
  let from = 0;
  for (let at = 1; ;) {
    const scan = scanRecord(text.slice(from), 0, { delimiter: facts.delimiter, columnsMax: Infinity }, true);
    if (scan.kind !== "record") throw new RangeError("a stored row cannot be read again");
    if (at >= line || from + scan.end >= text.length) {
      return {
        before: text.slice(0, from),
        record: { line: at, text: text.slice(from, from + scan.end), spans: scan.spans },
        after: text.slice(from + scan.end),
      };
    }
    at += scan.lineBreaks;
    from += scan.end;
  }
}

function splitLineBreak(text: string): { body: string; lineBreak: string } {
  const lineBreak = /(\r\n|\n|\r)$/.exec(text)?.[0] ?? "";
  return { body: text.slice(0, text.length - lineBreak.length), lineBreak };
}

/** Brings a record to as many cells as the header has, so that ours stand below their headers; a list that ran over becomes one cell. */
function alignCells(record: CsvRecord, facts: CatalogueFacts): string {
  const { header, delimiter } = facts;
  const width = record.spans.length / 2;
  if (width <= header.length) return record.text + delimiter.repeat(header.length - width);
  const last = header.length - 1;
  const start = record.spans[2 * last] ?? 0;
  if (runsOver(record, last, facts)) return record.text.slice(0, start) + formatCell(imageCell(record, last, facts).trimEnd(), delimiter);
  return record.text.slice(0, endOfCell(record, last));
}

/** The closing quote included, where there is one. */
function endOfCell({ text, spans }: CsvRecord, index: number): number {
  const end = spans[2 * index + 1] ?? text.length;
  return isQuoted(text, spans[2 * index] ?? 0) ? end + 1 : end;
}

/** Puts each output's URL in the place of its source; every other character stays as it came, also the URLs of failed images. */
function replaceUrls(text: string, facts: CatalogueFacts, outputs: readonly (string | null)[]): string {
  const { record } = takeRecord(text, facts, 1);
  let result = "";
  let done = 0;
  let position = 0;
  for (const column of facts.columns.images) {
    const { index } = column;
    const start = record.spans[2 * index];
    const over = runsOver(record, index, facts);
    const end = over ? record.spans.at(-1) : record.spans[2 * index + 1];
    if (start === undefined || end === undefined) continue;
    const cell = over ? imageCell(record, index, facts) : cellOf(record, index);
    const spans = imageSpans(cell, column);
    const ours = outputs.slice(position, position + spans.length);
    position += spans.length;
    if (ours.every((url) => url === null)) continue;
    const replaced = replaceSpans(cell, spans, ours);
    result +=
      text.slice(done, start) +
      (isQuoted(text, start) ? replaced.replaceAll('"', '""') : over ? replaced : quoteIfDivided(replaced, facts.delimiter));
    done = end;
  }
  return result + text.slice(done);
}

/** An unquoted cell holds no delimiter of its own: it gets quotes only where one of our URLs brings one. */
function quoteIfDivided(cell: string, delimiter: string): string {
  return cell.includes(delimiter) ? formatCell(cell, delimiter) : cell;
}

function replaceSpans(cell: string, spans: readonly (readonly [number, number])[], ours: readonly (string | null)[]): string {
  let result = "";
  let done = 0;
  for (const [index, [start, end]] of spans.entries()) {
    const url = ours[index];
    if (url === null || url === undefined) continue;
    result += cell.slice(done, start) + url;
    done = end;
  }
  return result + cell.slice(done);
}

export function formatCell(cell: string, delimiter: string): string {
  const needsQuotes = cell.includes(delimiter) || /["\r\n]|^\s|\s$/.test(cell);
  return needsQuotes ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** A result CSV that is uploaded again has our columns already: the new ones get a number behind their names. */
function distinguish(name: string, header: readonly string[]): string {
  const taken = new Set(header.map(reduceHeader));
  let candidate = name;
  for (let number = 2; taken.has(reduceHeader(candidate)); number += 1) candidate = `${name} ${number}`;
  return candidate;
}

/** For cells that we add, so that no spreadsheet reads them as a formula (OWASP: CSV injection); the user's own are not touched. */
export function defuseFormula(cell: string): string {
  return /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
}
