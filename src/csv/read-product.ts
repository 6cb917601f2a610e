import type { CsvProblem } from "../domain/csv-problem.ts";
import { parseImageUrl, splitImageUrls } from "../domain/image-url.ts";
import type { CatalogueLimits } from "./limits.ts";
import type { Columns } from "./match-columns.ts";
import type { Row } from "./read-rows.ts";
import { SEED_DIALECT } from "./dialects/seed.ts";

export type CatalogueProduct = {
  line: number; serial: string; name: string;
  /** As they came, trimmed. */
  urls: string[];
  /** The row's cells exactly as they came. */
  cells: string[];
};

export type ProductRules = { columns: Columns; headerLength: number; delimiter: string; onInvalid: "reject" | "skip"; limits: CatalogueLimits };

/** One data row as a product, with everything that is wrong with it. */
export function readProduct(row: Row, rules: ProductRules): { product: CatalogueProduct; problems: CsvProblem[] } {
  const { columns, limits } = rules;
  const cell = (index: number) => (row.cells[index] ?? "").trim();
  const product = { line: row.line, serial: cell(columns.serial), name: cell(columns.name), urls: splitImageUrls(urlCell(row, rules)), cells: row.cells };
  const problems: CsvProblem[] = [];
  const report = (column: keyof Columns, code: CsvProblem["code"], message: string) =>
    problems.push({ line: row.line, column: SEED_DIALECT.columns[column].header, code, message });

  if (product.serial === "") report("serial", "serial_missing", "Expected a serial number, got an empty cell.");
  if (product.name === "") report("name", "name_missing", "Expected a product name, got an empty cell.");
  if (product.urls.length === 0) report("urls", "url_missing", "Expected at least one image URL, got an empty cell.");
  if (product.urls.length > limits.urlsPerProductMax) {
    report("urls", "too_many_urls", `Expected at most ${limits.urlsPerProductMax} image URLs in a row, got ${product.urls.length}; spread them over several rows.`);
  } else if (rules.onInvalid === "reject") {
    for (const url of product.urls) {
      const parsed = parseImageUrl(url);
      if (!parsed.ok) report("urls", parsed.code, `${parsed.message} Correct it, or upload with onInvalid=skip.`);
    }
  }
  if (hasTooManyCells(row, rules)) {
    problems.push({ line: row.line, column: null, code: "row_too_wide", message: `Expected ${rules.headerLength} cells as in the header, got ${row.cells.length}; put a cell that holds "${rules.delimiter}" in quotes.` });
  }
  return { product, problems };
}

/** An unquoted list of URLs at the end of a row runs into cells of its own: they belong together. */
function urlCell(row: Row, { columns, headerLength, delimiter }: ProductRules): string {
  const own = row.cells[columns.urls] ?? "";
  if (!runsOver(row, columns, headerLength)) return own;
  return row.cells.slice(columns.urls).join(delimiter);
}

function runsOver(row: Row, columns: Columns, headerLength: number): boolean {
  return columns.urls === headerLength - 1 && row.cells.length > headerLength && !row.isLastCellQuoted;
}

function hasTooManyCells(row: Row, { columns, headerLength }: ProductRules): boolean {
  if (row.cells.length <= headerLength || runsOver(row, columns, headerLength)) return false;
  return row.cells.slice(headerLength).some((cell) => cell.trim() !== "");
}
