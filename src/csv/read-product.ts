import { cleanImageUrl } from "../domain/url/clean-image-url.ts";
import type { CsvProblem } from "../domain/batch/csv-problem.ts";
import { findUrlSpans } from "../domain/url/image-url.ts";
import type { Columns, ImageColumn } from "../domain/batch/catalogue-facts.ts";
import type { CatalogueLimits } from "./limits.ts";
import { cellOf, isQuoted, type CsvRecord } from "./scan-record.ts";

export type CatalogueProduct = {
  line: number;
  /** The id that the file gives it, or the line number where it gives none. */
  serial: string;
  name: string;
  /** As they stand in the file, trimmed; an empty list for a row without an image. */
  urls: string[];
  /** The row as it came, line break and blank rows behind it included. */
  record: string;
};

export type ProductRules = {
  columns: Columns;
  header: readonly string[];
  delimiter: string;
  baseUrl: string | null;
  onInvalid: "reject" | "skip";
  limits: CatalogueLimits;
};

/** Reads one data row as a product, and finds everything that is wrong with it. */
export function readProduct(record: CsvRecord, rules: ProductRules): { product: CatalogueProduct; problems: CsvProblem[] } {
  const { columns, limits } = rules;
  const found = columns.images.map((column) => ({ index: column.index, urls: urlsIn(imageCell(record, column.index, rules), column) }));
  const urls = found.flatMap((column) => column.urls);
  const product = {
    line: record.line,
    serial: firstFilled(record, columns.id) || String(record.line),
    name: firstFilled(record, columns.name),
    urls,
    record: record.text,
  };
  const problems: CsvProblem[] = [];
  const report = (index: number | null, code: CsvProblem["code"], message: string) =>
    problems.push({ line: record.line, column: index === null ? null : (rules.header[index] ?? null), code, message });

  if (urls.length > limits.urlsPerProductMax) {
    report(
      found[0]?.index ?? null,
      "too_many_urls",
      `Expected at most ${limits.urlsPerProductMax} image URLs in a row, got ${urls.length}; spread them over several rows.`,
    );
  } else if (rules.onInvalid === "reject") {
    for (const column of found) {
      for (const url of column.urls) {
        const clean = cleanImageUrl(url, rules);
        if (!clean.ok) report(column.index, clean.code, `${clean.message} Correct it, or upload with onInvalid=skip.`);
      }
    }
  }
  if (hasTooManyCells(record, rules)) {
    report(
      null,
      "row_too_wide",
      `Expected ${rules.header.length} cells as in the header, got ${record.spans.length / 2}; put a cell that holds "${rules.delimiter}" in quotes.`,
    );
  }
  return { product, problems };
}

function urlsIn(cell: string, column: ImageColumn): string[] {
  return imageSpans(cell, column).map(([start, end]) => cell.slice(start, end));
}

/** Where the URLs of a cell begin and end. */
export function imageSpans(cell: string, column: ImageColumn): [start: number, end: number][] {
  return column.blank !== undefined && cell.trim() === column.blank ? [] : findUrlSpans(cell, column.cell);
}

/** Without the apostrophe that WooCommerce puts before what a spreadsheet would take for a formula. */
function firstFilled(record: CsvRecord, indexes: readonly number[]): string {
  for (const index of indexes) {
    const text = cellOf(record, index).trim();
    if (text !== "") return /^'[=+\-@]/.test(text) ? text.slice(1) : text;
  }
  return "";
}

/** A cell as images are read from it. An unquoted list at the end of a row is cut into several by its delimiters: they are one here. */
export function imageCell(
  record: Pick<CsvRecord, "text" | "spans">,
  index: number,
  rules: Pick<ProductRules, "columns" | "header">,
): string {
  return runsOver(record, index, rules) ? record.text.slice(record.spans[2 * index], record.spans.at(-1)) : cellOf(record, index);
}

/** Whether it is such a list that was cut into several cells. */
export function runsOver(
  { text, spans }: Pick<CsvRecord, "text" | "spans">,
  index: number,
  { columns, header }: Pick<ProductRules, "columns" | "header">,
): boolean {
  if (index !== header.length - 1 || spans.length / 2 <= header.length) return false;
  const isList = columns.images.some((column) => column.index === index && column.cell === "list");
  return isList && !spans.some((start, at) => at >= 2 * index && at % 2 === 0 && isQuoted(text, start));
}

function hasTooManyCells(record: CsvRecord, rules: ProductRules): boolean {
  const width = record.spans.length / 2;
  if (width <= rules.header.length || runsOver(record, rules.header.length - 1, rules)) return false;
  for (let index = rules.header.length; index < width; index += 1) if (cellOf(record, index).trim() !== "") return true;
  return false;
}
