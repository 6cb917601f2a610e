import { readFile, writeFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./pressrun.js";

const [baseUrl = "", csvPath = "", outPath = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl });
type Batch = components["schemas"]["Batch"];

// A file as the body itself, with options in the query.
const csv = await readFile(csvPath, "utf8");
const accepted = await client.POST("/v1/batches", {
  params: { query: { format: "webp", quality: 80, onInvalid: "skip" } },
  headers: { "content-type": "text/csv" },
  body: csv,
  bodySerializer: (body) => body,
});
if (accepted.error) throw new Error(accepted.error.detail);
const batch = await ended(accepted.data.batchId);

const { data: page } = await client.GET("/v1/batches/{batchId}/products", {
  params: { path: { batchId: batch.batchId }, query: { limit: 10 } },
});
const output = page?.products[0]?.images[0]?.outputs[0];
const token = batch.links.resultsCsv.split("/").at(-2) ?? "";
const image = await client.GET("/outputs/{token}/{fileName}", {
  params: { path: { token, fileName: output?.fileName ?? "" } },
  parseAs: "blob",
});
if (!image.data) throw new Error(image.error?.detail);
await writeFile(outPath, image.data.stream());
const results = await client.GET("/outputs/{token}/results.csv", { params: { path: { token } }, parseAs: "text" });

// Products as JSON, and a form whose file is filled in by a serializer of one's own.
const products = await client.POST("/v1/batches", {
  body: {
    products: [{ id: "MUG-1", images: ["http://10.0.0.1/mug.jpg"] }],
    recipe: { outputs: [{ name: "thumb", width: 200 }] },
    metadata: { import: 42 },
  },
});
const fields = { file: csv, quality: 60, onInvalid: "skip" as const };
const form = await client.POST("/uploadAndProcessDocument", { body: fields, bodySerializer: () => toForm(fields) });
const refused = await client.GET("/v1/batches/{batchId}", { params: { path: { batchId: "nobody" } } });
const code: components["schemas"]["ProblemCode"] | undefined = refused.error?.code;

console.log(
  JSON.stringify({
    status: batch.status,
    completed: batch.progress.completed,
    results: results.data,
    metadata: products.data?.metadata,
    formStatus: form.data?.status,
    code,
  }),
);

async function ended(batchId: string): Promise<Batch> {
  for (;;) {
    const { data, error, response } = await client.GET("/v1/batches/{batchId}", { params: { path: { batchId } } });
    if (error) throw new Error(error.detail);
    if (data.finishedAt !== null) return data;
    await new Promise((resolve) => setTimeout(resolve, 100 * Number(response.headers.get("retry-after") ?? 1)));
  }
}

function toForm({ file, ...options }: { file: string }): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(options)) form.set(name, String(value));
  form.set("file", new Blob([file]), "products.csv");
  return form;
}
