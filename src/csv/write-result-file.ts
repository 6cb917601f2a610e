import { hasFailed, productStatus, type ProductResult } from "../domain/product-result.ts";
import type { CatalogueFacts } from "./read-catalogue.ts";
import { createResultWriter, createRowWriter, type ResultShape } from "./write-result.ts";

type Products = AsyncIterable<readonly ProductResult[]>;

/** The uploaded file with its results, piece by piece; `outputUrl` says where the public finds an output. */
export async function* writeResultFile(facts: CatalogueFacts, shape: ResultShape, products: Products, outputUrl: (fileName: string) => string): AsyncGenerator<Buffer> {
  const writer = createResultWriter(facts, shape);
  yield writer.head();
  for await (const page of products) {
    yield Buffer.concat(page.map((product) => writer.row(product.record, {
      outputs: product.images.map(({ output }) => output && outputUrl(output.fileName)),
      status: productStatus(product),
      errors: product.images.flatMap(({ error }, index) => (error ? [`${index + 1}: ${error.code}: ${error.message}`] : [])),
    })));
  }
}

/** The rows with an image that failed, as they came: to be mended and uploaded again. */
export async function* writeFailuresFile(facts: CatalogueFacts, products: Products): AsyncGenerator<Buffer> {
  const writer = createRowWriter(facts);
  yield writer.head();
  for await (const page of products) {
    const rows = page.filter(hasFailed).map((product) => writer.row(product.record));
    if (rows.length > 0) yield Buffer.concat(rows);
  }
}
