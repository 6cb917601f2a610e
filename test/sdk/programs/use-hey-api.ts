import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";
import {
  createBatch,
  getBatch,
  getOutput,
  getResultCsv,
  listProducts,
  uploadAndProcessDocument,
  type Batch,
  type OnInvalid,
  type ProblemCode,
} from "./sdk/index.js";
import { client } from "./sdk/client.gen.js";

const [baseUrl = "", csvPath = "", outPath = ""] = process.argv.slice(2);
client.setConfig({ baseUrl });

const onInvalid: OnInvalid = "skip";

// A file and its options as a form; a list of outputs too.
const { data: accepted } = await uploadAndProcessDocument({
  body: {
    file: await openAsBlob(csvPath),
    onInvalid,
    outputs: [
      { name: "large", width: 300 },
      { name: "thumb", width: 100 },
    ],
    metadata: { import: 42 },
  },
  throwOnError: true,
});
const batch = await ended(accepted.requestId);

const { data: page } = await listProducts({ path: { batchId: batch.batchId }, query: { limit: 10 }, throwOnError: true });
const outputs = page.products[0]?.images[0]?.outputs ?? [];
const token = batch.links.resultsCsv.split("/").at(-2) ?? "";
const { data: image } = await getOutput({ path: { token, fileName: outputs[0]?.fileName ?? "" }, throwOnError: true });
await writeFile(outPath, image.stream());
const { data: results } = await getResultCsv({ path: { token }, throwOnError: true });

const products = await createBatch({ body: { products: [{ id: "MUG-1", images: ["http://10.0.0.1/mug.jpg"] }] } });
const refused = await getBatch({ path: { batchId: "nobody" } });
const code: ProblemCode | undefined = refused.error?.code;

console.log(
  JSON.stringify({
    status: batch.status,
    completed: batch.progress.completed,
    results,
    outputs: outputs.map(({ name, width }) => ({ name, width })),
    metadata: batch.metadata,
    products: products.data?.products,
    code,
  }),
);

async function ended(batchId: string): Promise<Batch> {
  for (;;) {
    const { data, response } = await getBatch({ path: { batchId }, throwOnError: true });
    if (data.finishedAt !== null) return data;
    await new Promise((resolve) => setTimeout(resolve, 100 * Number(response.headers.get("retry-after") ?? 1)));
  }
}
