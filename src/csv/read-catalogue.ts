import type { CsvProblem, CsvProblemCode } from "../domain/csv-problem.ts";
import { PAGE_PRODUCTS, PROBLEMS_LISTED_MAX, type CatalogueLimits } from "./limits.ts";
import { matchColumns, type Columns } from "./match-columns.ts";
import { RecordGuard, type RecordPage } from "./record-guard.ts";
import { readProduct, type CatalogueProduct, type ProductRules } from "./read-product.ts";
import { createRowReader, type Row, type RowReader } from "./read-rows.ts";
import { firstLineOf, sniffDelimiter, sniffStart } from "./sniff.ts";

export type { CatalogueProduct } from "./read-product.ts";

/** What is to be known of a file to write its result in the same shape; plain data, kept with the batch. */
export type CatalogueFacts = {
  header: string[]; headerLine: number; columns: Columns;
  delimiter: string; encoding: "utf-8"; hasBom: boolean; newline: "\n" | "\r\n" | "\r";
  products: number; images: number;
};

export type Catalogue = { ok: true; facts: CatalogueFacts } | { ok: false; problems: CsvProblem[]; problemCount: number };

export type ReadOptions = {
  onInvalid: "reject" | "skip";
  limits: CatalogueLimits;
  /** Takes pages of products in the order of the file; none comes any more once the file has a problem. */
  onProducts(page: CatalogueProduct[]): Promise<void>;
};

/**
 * Reads a CSV of products in bounded memory. Every problem of the file is found in one pass: the first hundred
 * are listed, the rest counted. Reading ends early only where nothing sensible can follow (an unclosed quote).
 */
export async function readCatalogue(source: AsyncIterable<Buffer>, options: ReadOptions): Promise<Catalogue> {
  const reading = new Reading(options);
  try {
    let head: Buffer = Buffer.alloc(0);
    for await (const chunk of source) {
      if (reading.hasBegun) {
        await reading.push(chunk);
        continue;
      }
      head = Buffer.concat([head, chunk]);
      if (head.length >= HEAD_BYTES) await reading.begin(head);
    }
    if (!reading.hasBegun) await reading.begin(head);
    await reading.end();
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
  }
  return reading.result();
}

/** So much is looked at before anything is decided: enough for any header line. */
const HEAD_BYTES = 64 * 1024;

/** Thrown when the rest of the file cannot be read; its problem is recorded already. */
class Unreadable extends Error {}

type Sheet = { guard: RecordGuard; reader: RowReader; shape: Pick<CatalogueFacts, "delimiter" | "hasBom" | "newline"> };
type Heading = { line: number; cells: string[]; rules: ProductRules };

/** One pass over one file, and what was found so far. */
class Reading {
  readonly #options: ReadOptions;
  readonly #problems: CsvProblem[] = [];
  #problemCount = 0;
  #sheet: Sheet | undefined;
  #heading: Heading | undefined;
  #products = 0;
  #images = 0;
  #isUtf8 = true;

  constructor(options: ReadOptions) {
    this.#options = options;
  }

  get hasBegun(): boolean {
    return this.#sheet !== undefined;
  }

  async begin(head: Buffer): Promise<void> {
    const start = sniffStart(head);
    if ("fault" in start) return this.#giveUp(1, start.fault.code, start.fault.message);
    const body = head.subarray(start.bomBytes);
    const { text, newline } = firstLineOf(body);
    const delimiter = sniffDelimiter(text);
    this.#sheet = {
      guard: new RecordGuard({ delimiter, recordBytesMax: this.#options.limits.recordBytesMax }),
      reader: createRowReader(delimiter),
      shape: { delimiter, hasBom: start.bomBytes > 0, newline },
    };
    await this.push(body);
  }

  async push(chunk: Buffer): Promise<void> {
    if (this.#sheet) await this.#readPage(this.#sheet, this.#sheet.guard.push(chunk));
  }

  async end(): Promise<void> {
    if (this.#sheet) await this.#readPage(this.#sheet, this.#sheet.guard.end());
    if (!this.#heading) this.#giveUp(1, "empty_file", "Expected a header line and products, got an empty file.");
    else if (this.#products === 0) this.#giveUp(this.#heading.line, "no_products", "Expected at least one product below the header, got none.");
  }

  result(): Catalogue {
    if (this.#problemCount > 0 || !this.#heading || !this.#sheet) return { ok: false, problems: this.#problems, problemCount: this.#problemCount };
    const { line, cells, rules } = this.#heading;
    const facts = { ...this.#sheet.shape, encoding: "utf-8", header: cells, headerLine: line, columns: rules.columns, products: this.#products, images: this.#images } as const;
    return { ok: true, facts };
  }

  async #readPage({ reader, shape }: Sheet, page: RecordPage): Promise<void> {
    if (page.records.length > 0) {
      const { rows, badLine, isWhole } = await reader.read(page);
      const line = page.records[0]?.line ?? 1;
      if (!isWhole) this.#giveUp(line, "not_csv", `Expected rows of cells, got quotes that cannot be read, somewhere from line ${line} on; double a quote that is meant as text.`);
      if (badLine !== null) this.#reportEncoding(badLine);
      const found = rows.flatMap((row) => this.#readRow(row, shape.delimiter) ?? []);
      for (let at = 0; at < found.length && this.#problemCount === 0; at += PAGE_PRODUCTS) {
        await this.#options.onProducts(found.slice(at, at + PAGE_PRODUCTS));
      }
    }
    if (page.fault) this.#giveUp(page.fault.line, page.fault.code, page.fault.message);
  }

  #readRow(row: Row, delimiter: string): CatalogueProduct | null {
    const { limits } = this.#options;
    if (row.cells.every((cell) => cell.trim() === "")) return null;
    if (!this.#heading) {
      this.#heading = this.#readHeading(row, delimiter);
      return null;
    }
    const { product, problems } = readProduct(row, this.#heading.rules);
    this.#products += 1;
    this.#images += product.urls.length;
    this.#report(problems);
    if (this.#products > limits.productsMax) this.#giveUp(row.line, "too_many_products", `Expected at most ${limits.productsMax} products in a file; split it.`);
    if (this.#images > limits.imagesMax) this.#giveUp(row.line, "too_many_images", `Expected at most ${limits.imagesMax} images in a file; split it.`);
    return product;
  }

  #readHeading(row: Row, delimiter: string): Heading {
    const { limits, onInvalid } = this.#options;
    if (row.cells.length > limits.columnsMax) this.#giveUp(row.line, "too_many_columns", `Expected at most ${limits.columnsMax} columns, got ${row.cells.length}.`);
    const matched = matchColumns(row.cells, row.line);
    if (!matched.ok) {
      this.#report(matched.problems);
      throw new Unreadable("no columns");
    }
    return { line: row.line, cells: row.cells, rules: { columns: matched.columns, headerLength: row.cells.length, delimiter, onInvalid, limits } };
  }

  /** Once a file: what is not UTF-8 in one line is seldom UTF-8 in the others. */
  #reportEncoding(line: number): void {
    if (!this.#isUtf8) return;
    this.#isUtf8 = false;
    this.#report([{ line, column: null, code: "invalid_utf8", message: `Expected UTF-8, got bytes in line ${line} that are not; save the file as “CSV UTF-8” and upload that.` }]);
  }

  #report(found: readonly CsvProblem[]): void {
    this.#problemCount += found.length;
    this.#problems.push(...found.slice(0, PROBLEMS_LISTED_MAX - this.#problems.length));
  }

  #giveUp(line: number, code: CsvProblemCode, message: string): never {
    this.#report([{ line, column: null, code, message }]);
    throw new Unreadable(message);
  }
}
