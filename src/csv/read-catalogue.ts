import { setImmediate as yieldToOthers } from "node:timers/promises";
import type { CatalogueFacts, Layout, TextFacts } from "../domain/batch/catalogue-facts.ts";
import type { CsvProblem, CsvProblemCode } from "../domain/batch/csv-problem.ts";
import { chooseLayout } from "./choose-layout.ts";
import type { ColumnWishes } from "./find-columns.ts";
import { PRODUCTS_AT_ONCE, type CatalogueLimits } from "./limits.ts";
import { excerpt, ProblemList } from "./problem-list.ts";
import { readProduct, type CatalogueProduct, type ProductRules } from "./read-product.ts";
import { RecordReader } from "./record-reader.ts";
import { isBlankRecord, lineBreakOf, type CsvRecord } from "./scan-record.ts";
import { sniffText } from "./sniff-text.ts";
import { createDecoding } from "./text-encoding.ts";
import { unpack, UnpackError } from "./unpack.ts";

export type Catalogue =
  | { ok: true; facts: CatalogueFacts }
  /** `facts` as far as they were found, for a preflight. */
  | { ok: false; problems: CsvProblem[]; problemCount: number; facts: CatalogueFacts | null };

/** How the caller wants a file to be read. */
export type ReadingOptions = {
  onInvalid: "reject" | "skip";
  wishes: ColumnWishes;
  /** What relative paths are relative to; where it is null, the dialect's own. */
  baseUrl: string | null;
  /** Of a file that we made ourselves of JSON, whose lines nobody sees; where it is null, the layout is found out. */
  layout: Layout | null;
};

export type ReadOptions = ReadingOptions & {
  limits: CatalogueLimits;
  /** Takes products in the order of the file, PRODUCTS_AT_ONCE at most. No more come after a problem, unless `goesOn` is set. */
  onProducts(products: CatalogueProduct[], facts: CatalogueFacts): Promise<void>;
  /** Hands on products also after a problem, for a preflight. */
  goesOn?: boolean;
};

/**
 * Reads a CSV of products in bounded memory; `open` gives the file's bytes and is called twice, since only the whole
 * file tells its encoding. Every problem of the file is found in one pass: the first hundred are listed, the rest
 * counted. Reading ends early only where nothing sensible can follow (an unclosed quote).
 */
export async function readCatalogue(open: () => AsyncIterable<Buffer>, options: ReadOptions): Promise<Catalogue> {
  const reading = new Reading(options);
  const source = () => unpack(open(), { bytesMax: options.limits.unpackedBytesMax });
  try {
    const shape = await sniffText(source());
    if (!shape.ok) reading.giveUp(shape.fault.line, shape.fault.code, shape.fault.message);
    else await readText(reading, shape, source());
  } catch (error) {
    if (error instanceof UnpackError) return { ok: false, problems: [{ column: null, ...error.fault }], problemCount: 1, facts: null };
    if (!(error instanceof Unreadable)) throw error;
    await reading.handOn();
  }
  return reading.result();
}

async function readText(reading: Reading, shape: TextFacts, source: AsyncIterable<Buffer>): Promise<void> {
  const decoding = createDecoding(shape.encoding);
  let hasMark = shape.hasBom;
  let bytes = 0;
  for await (const chunk of source) {
    const text = decoding.write(chunk);
    await reading.push(hasMark ? text.slice(1) : text, shape);
    hasMark = false;
    // Parsing never waits for anything, so that others would not get their turn by themselves.
    bytes += chunk.length;
    if (bytes < YIELD_BYTES) continue;
    bytes = 0;
    await yieldToOthers();
  }
  await reading.push(decoding.end(), shape);
  await reading.end(shape);
}

/** How much is parsed at a stretch: less than 3 ms. */
const YIELD_BYTES = 64 * 1024;

/** How much of the text is looked at to choose the layout. */
const HEAD_CHARS = 256 * 1024;

/** Thrown when the rest of the file cannot be read; its problem is recorded already. */
class Unreadable extends Error {}

/** Blank rows are kept with the product or the header above them, up to so many characters; those beyond are products without images. */
const BLANK_CHARS_MAX = 64 * 1024;

/** One pass over one file, and what was found so far. */
class Reading {
  readonly #options: ReadOptions;
  readonly #problems = new ProblemList();
  #start = "";
  #reader: RecordReader | undefined;
  #facts: CatalogueFacts | undefined;
  #rules: ProductRules | undefined;
  /** The last product so far: blank rows behind it still belong to it. */
  #last: CatalogueProduct | undefined;
  #blankChars = 0;
  #ready: CatalogueProduct[] = [];

  constructor(options: ReadOptions) {
    this.#options = options;
  }

  async push(text: string, shape: TextFacts): Promise<void> {
    if (this.#reader) return this.#read(this.#reader.push(text));
    this.#start += text;
    if (this.#start.length > HEAD_CHARS) await this.#begin(shape, false);
  }

  async end(shape: TextFacts): Promise<void> {
    if (!this.#reader) await this.#begin(shape, true);
    if (this.#reader) await this.#read(this.#reader.end());
    await this.handOn();
    const { facts } = this.#begun();
    // A list of products in JSON has no header; its first product counts as line 1.
    const isList = this.#options.layout !== null;
    const line = isList ? 1 : facts.headerLine;
    if (facts.rows === 0)
      this.giveUp(
        line,
        "no_products",
        isList ? "Expected at least one product, got none." : "Expected at least one product below the header, got none.",
      );
    if (facts.images === 0 && this.#problems.count === 0)
      this.giveUp(
        line,
        "no_images",
        isList ? `Expected image URLs in \`images\`, got ${facts.rows} products without any.` : noImages(facts),
      );
  }

  /** Hands on the products that are left; after a fault too, where `goesOn` is set. */
  async handOn(): Promise<void> {
    if (this.#last) this.#ready.push(this.#last);
    this.#last = undefined;
    await this.#flush();
  }

  result(): Catalogue {
    if (this.#problems.count > 0 || !this.#facts)
      return { ok: false, problems: this.#problems.listed, problemCount: this.#problems.count, facts: this.#facts ?? null };
    return { ok: true, facts: this.#facts };
  }

  async #begin(shape: TextFacts, isWhole: boolean): Promise<void> {
    const { limits, wishes, onInvalid, layout: given } = this.#options;
    const text = this.#start;
    this.#start = "";
    const chosen = given
      ? ({ ok: true, layout: given } as const)
      : chooseLayout(text.slice(0, HEAD_CHARS), { wishes, columnsMax: limits.columnsMax, isWhole });
    if (!chosen.ok) {
      this.#problems.add(chosen.problems);
      throw new Unreadable("no layout");
    }
    const { layout } = chosen;
    const baseUrl = this.#options.baseUrl ?? layout.baseUrl;
    this.#facts = { ...shape, ...layout, baseUrl, head: "", newline: "\n", rows: 0, rowsWithoutImage: 0, images: 0 };
    this.#rules = { columns: layout.columns, header: layout.header, delimiter: layout.delimiter, baseUrl, onInvalid, limits };
    this.#reader = new RecordReader({
      delimiter: layout.delimiter,
      columnsMax: limits.columnsMax,
      recordCharsMax: limits.recordCharsMax,
      lines: given ? "rows" : "physical",
    });
    await this.#read(this.#reader.push(text));
  }

  async #read({ records, fault }: ReturnType<RecordReader["push"]>): Promise<void> {
    for (const record of records) {
      this.#readRecord(record);
      if (this.#ready.length >= PRODUCTS_AT_ONCE) await this.#flush();
    }
    if (fault) this.giveUp(fault.line, fault.code, fault.message);
  }

  #readRecord(record: CsvRecord): void {
    const { facts, rules } = this.#begun();
    if (record.line <= facts.headerLine || this.#isFiller(record)) {
      if (this.#last) this.#last.record += record.text;
      else facts.head += record.text;
      if (record.line === facts.headerLine) facts.newline = lineBreakOf(record.text);
      return;
    }
    this.#blankChars = 0;
    const { product, problems } = readProduct(record, rules);
    if (product.name === "" && product.serial === this.#last?.serial) product.name = this.#last.name;
    facts.rows += 1;
    facts.images += product.urls.length;
    if (product.urls.length === 0) facts.rowsWithoutImage += 1;
    this.#problems.add(problems);
    this.#checkSize(record.line, facts);
    if (this.#last) this.#ready.push(this.#last);
    this.#last = product;
  }

  /** Whether it is a blank row that is kept with what stands above it; in a file that we made every row is a product. */
  #isFiller(record: CsvRecord): boolean {
    if (this.#options.layout || !isBlankRecord(record)) return false;
    this.#blankChars += record.text.length;
    return this.#blankChars <= BLANK_CHARS_MAX;
  }

  #checkSize(line: number, { rows, images }: CatalogueFacts): void {
    const { limits } = this.#options;
    if (rows > limits.productsMax)
      this.giveUp(line, "too_many_products", `Expected at most ${limits.productsMax} products in a file; split it.`);
    if (images > limits.imagesMax) this.giveUp(line, "too_many_images", `Expected at most ${limits.imagesMax} images in a file; split it.`);
  }

  /** Hands on what is read; the last product stays while blank rows may follow it. */
  async #flush(): Promise<void> {
    const products = this.#ready;
    const facts = this.#facts;
    if (!facts) return;
    this.#ready = [];
    for (let at = 0; at < products.length && (this.#problems.count === 0 || this.#options.goesOn); at += PRODUCTS_AT_ONCE) {
      await this.#options.onProducts(products.slice(at, at + PRODUCTS_AT_ONCE), facts);
    }
  }

  #begun(): { facts: CatalogueFacts; rules: ProductRules } {
    if (!this.#facts || !this.#rules) throw new Unreadable("not begun");
    return { facts: this.#facts, rules: this.#rules };
  }

  giveUp(line: number, code: CsvProblemCode, message: string): never {
    this.#problems.add([{ line, column: null, code, message }]);
    throw new Unreadable(message);
  }
}

function noImages({ columns, header, rows }: CatalogueFacts): string {
  const names = columns.images
    .map(({ index }) => `"${excerpt(header[index] ?? "", 60)}"`)
    .slice(0, 10)
    .join(", ");
  return `Expected image URLs in ${names}, got ${rows} rows without any; name the column that has them with imageColumns.`;
}
