import { hasFailed, outputNamed, productStatus, type ProductResult, type RecordedProduct } from "../domain/batch/product-result.ts";
import { MAIN_OUTPUT } from "../domain/image/recipe.ts";
import type { CatalogueFacts } from "../domain/batch/catalogue-facts.ts";
import { createResultWriter, createRowWriter, type ResultShape } from "./write-result.ts";

type Products = AsyncIterable<readonly RecordedProduct[]>;

/**
 * The uploaded file with its results, piece by piece; `outputUrl` says where the public finds an output. `names` are
 * those of the outputs: the first stands for the image, each of the others has a column of its own.
 */
export async function* writeResultFile(file: {
  facts: CatalogueFacts;
  shape: ResultShape;
  names: readonly string[];
  products: Products;
  outputUrl: (fileName: string) => string;
}): AsyncGenerator<Buffer> {
  const { facts, shape, products, outputUrl } = file;
  const [first = MAIN_OUTPUT, ...others] = file.names;
  const writer = createResultWriter(facts, shape, others);
  const urlsOf = ({ images }: ProductResult, name: string) =>
    images.map(({ outputs }) => {
      const output = outputNamed(outputs, name);
      return output && outputUrl(output.fileName);
    });
  yield writer.head();
  for await (const page of products) {
    yield Buffer.concat(
      page.map((product) =>
        writer.row(product.record, {
          outputs: urlsOf(product, first),
          others: others.map((name) => urlsOf(product, name)),
          status: productStatus(product),
          errors: product.images.flatMap(({ error }, index) => (error ? [`${index + 1}: ${error.code}: ${error.message}`] : [])),
        }),
      ),
    );
  }
}

/** The rows with a failed image, as they came, to be mended and uploaded again. */
export async function* writeFailuresFile(facts: CatalogueFacts, products: Products): AsyncGenerator<Buffer> {
  const writer = createRowWriter(facts);
  yield writer.head();
  for await (const page of products) {
    const rows = page.filter(hasFailed).map((product) => writer.row(product.record));
    if (rows.length > 0) yield Buffer.concat(rows);
  }
}
