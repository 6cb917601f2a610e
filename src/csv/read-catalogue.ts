import type { CsvProblem, CsvProblemCode } from "../domain/csv-problem.ts";
import { PAGE_PRODUCTS, PROBLEMS_LISTED_MAX, type CatalogueLimits } from "./limits.ts";
import { matchColumns, type Columns } from "./match-columns.ts";
import { createRecordGuard, type GuardFault, type RecordPage } from "./record-guard.ts";
import { readProduct, type CatalogueProduct, type ProductRules } from "./read-product.ts";
import { createRowReader, type Row, type RowFault } from "./read-rows.ts";
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
  const reading = createReading(options);
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

function createReading({ onInvalid, limits, onProducts }: ReadOptions) {
  const problems: CsvProblem[] = [];
  let problemCount = 0;
  let guard: ReturnType<typeof createRecordGuard> | undefined;
  let reader: ReturnType<typeof createRowReader> | undefined;
  let facts: CatalogueFacts | undefined;
  let rules: ProductRules | undefined;
  let shape = { delimiter: ",", hasBom: false, newline: "\n" as CatalogueFacts["newline"] };
  let products = 0;
  let images = 0;

  const report = (found: readonly CsvProblem[]) => {
    problemCount += found.length;
    problems.push(...found.slice(0, PROBLEMS_LISTED_MAX - problems.length));
  };
  const giveUp = (line: number, code: CsvProblemCode, message: string): never => {
    report([{ line, column: null, code, message }]);
    throw new Unreadable(message);
  };
  const unlessFault = <T extends object>(value: T | GuardFault | RowFault): T => {
    if ("code" in value) return giveUp(value.line, value.code, value.message);
    return value as T;
  };

  const readHeader = (row: Row) => {
    if (row.cells.length > limits.columnsMax) giveUp(row.line, "too_many_columns", `Expected at most ${limits.columnsMax} columns, got ${row.cells.length}.`);
    const matched = matchColumns(row.cells, row.line);
    if (!matched.ok) {
      report(matched.problems);
      throw new Unreadable("no columns");
    }
    facts = { ...shape, header: row.cells, headerLine: row.line, columns: matched.columns, encoding: "utf-8", products: 0, images: 0 };
    rules = { columns: matched.columns, headerLength: row.cells.length, delimiter: shape.delimiter, onInvalid, limits };
  };

  const readRow = (row: Row): CatalogueProduct | null => {
    if (row.cells.every((cell) => cell.trim() === "")) return null;
    if (!rules) {
      readHeader(row);
      return null;
    }
    const { product, problems: found } = readProduct(row, rules);
    products += 1;
    images += product.urls.length;
    if (found.length > 0) report(found);
    if (products > limits.productsMax) giveUp(row.line, "too_many_products", `Expected at most ${limits.productsMax} products in a file; split it.`);
    if (images > limits.imagesMax) giveUp(row.line, "too_many_images", `Expected at most ${limits.imagesMax} images in a file; split it.`);
    return product;
  };

  const readPage = async (page: RecordPage) => {
    if (page.records.length === 0 || !reader) return;
    const rows = unlessFault(await reader.read(page));
    const found = rows.flatMap((row) => readRow(row) ?? []);
    for (let at = 0; at < found.length && problemCount === 0; at += PAGE_PRODUCTS) {
      await onProducts(found.slice(at, at + PAGE_PRODUCTS));
    }
  };

  return {
    get hasBegun() {
      return guard !== undefined;
    },
    async begin(head: Buffer) {
      const start = sniffStart(head);
      if ("fault" in start) return giveUp(1, start.fault.code, start.fault.message);
      const body = head.subarray(start.bomBytes);
      const { text, newline } = firstLineOf(body);
      shape = { delimiter: sniffDelimiter(text), hasBom: start.bomBytes > 0, newline };
      guard = createRecordGuard({ delimiter: shape.delimiter, recordBytesMax: limits.recordBytesMax });
      reader = createRowReader(shape.delimiter);
      await readPage(unlessFault(guard.push(body)));
    },
    async push(chunk: Buffer) {
      if (guard) await readPage(unlessFault(guard.push(chunk)));
    },
    async end() {
      if (guard) await readPage(unlessFault(guard.end()));
      if (!facts) giveUp(1, "empty_file", "Expected a header line and products, got an empty file.");
      else if (products === 0) giveUp(facts.headerLine, "no_products", "Expected at least one product below the header, got none.");
    },
    result(): Catalogue {
      if (problemCount > 0 || !facts) return { ok: false, problems, problemCount };
      return { ok: true, facts: { ...facts, products, images } };
    },
  };
}
