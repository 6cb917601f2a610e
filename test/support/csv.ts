import { parseString } from "fast-csv";
import { CATALOGUE_LIMITS, type CatalogueLimits } from "../../src/csv/limits.ts";
import { readCatalogue, type Catalogue, type ReadingOptions, type ReadOptions } from "../../src/csv/read-catalogue.ts";
import type { CatalogueProduct } from "../../src/csv/read-product.ts";
import { createResultWriter, type ResultCells, type ResultShape } from "../../src/csv/write-result.ts";

/** How an upload without options is read. */
export const DEFAULT_READING: ReadingOptions = {
  onInvalid: "reject",
  wishes: { images: [], name: null, id: null },
  baseUrl: null,
  layout: null,
};

/** `portions`: how many products were handed on each time. */
export type CsvReading = Catalogue & { found: CatalogueProduct[]; portions: number[] };
type Options = Partial<Omit<ReadOptions, "limits" | "onProducts">> & { limits?: Partial<CatalogueLimits>; chunks?: readonly number[] };

/** Reads a file, in one piece, or in pieces of the sizes in `chunks`, of which the last is used for all that follow. */
export async function readCsv(csv: string | Buffer, { limits, chunks, ...options }: Options = {}): Promise<CsvReading> {
  const bytes = Buffer.from(csv);
  const found: CatalogueProduct[] = [];
  const portions: number[] = [];
  const catalogue = await readCatalogue(() => cutBytes(bytes, chunks ?? [bytes.length]), {
    ...DEFAULT_READING,
    ...options,
    limits: { ...CATALOGUE_LIMITS, ...limits },
    async onProducts(products) {
      found.push(...products);
      portions.push(products.length);
    },
  });
  return { ...catalogue, found, portions };
}

async function* cutBytes(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const size = Math.max(1, sizes[Math.min(index, sizes.length - 1)] ?? 1);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** The result CSV of a file that was read, with the results that `resultFor` gives; without it no image has an output. */
export function writeResult(
  reading: CsvReading,
  shape: ResultShape,
  resultFor: (product: CatalogueProduct) => Partial<ResultCells> = () => ({}),
): Buffer {
  if (!reading.ok) throw new Error(`the file was refused: ${JSON.stringify(reading.problems)}`);
  const writer = createResultWriter(reading.facts, shape, []);
  const rows = reading.found.map((product) =>
    writer.row(product.record, { outputs: product.urls.map(() => null), others: [], status: "failed", errors: [], ...resultFor(product) }),
  );
  return Buffer.concat([writer.head(), ...rows]);
}

/** Reads a text with a CSV reader that we have not written. */
export function rowsByFastCsv(csv: string, delimiter = ","): Promise<string[][]> {
  return new Promise((resolve, reject) => {
    const rows: string[][] = [];
    parseString<string[], string[]>(csv, { delimiter, headers: false })
      .on("data", (row) => rows.push(row))
      .on("error", reject)
      .on("end", () => resolve(rows));
  });
}
