import assert from "node:assert/strict";
import { test } from "node:test";
import type { Executor } from "../../src/db/connection/connect.ts";
import { listProducts, productPages, recordPages } from "../../src/db/list-products.ts";
import { openTestDatabase } from "../support/database.ts";

type Plan = { "Actual Rows": number; "Rows Removed by Filter"?: number; Plans?: Plan[] };

const BATCH = "019abc12-3456-7def-8123-456789abcdef";
const PRODUCTS = 3_000;
/** Of each product. */
const IMAGES = 1_000;

/** Once the rest of the batch was read for each page: results of a batch with many images a product took the longer the larger it was. */
test("a page that its images fill is found without a look at the rest of the batch", async () => {
  const { executor } = await openTestDatabase();
  await insertBatch(executor, BATCH, { products: PRODUCTS, images: PRODUCTS * IMAGES });
  await executor.executeSql(
    `insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record)
     select $1, n, (n - 1) * $3::int, n, 'p', n, array_fill('https://h.test/'::text, array[$3::int]), '' from generate_series(1, $2::int) n`,
    [BATCH, PRODUCTS, IMAGES],
  );
  await executor.executeSql("analyze product");
  const looked: number[] = [];
  const explaining = {
    ...executor,
    executeSql: async (text: string, values: unknown[] = []) => {
      const { rows } = await executor.executeSql(`explain (analyze, timing off, format json) ${text}`, values);
      for (const { Plan: plan } of rows.flatMap((row) => row["QUERY PLAN"] as { Plan: Plan }[])) looked.push(mostLookedAt(plan));
      return executor.executeSql(text, values);
    },
  };
  const page = await listProducts(explaining, BATCH, { afterLine: 0, limit: 500 });
  assert.deepEqual([page.products.length, page.nextLine], [20, 20]);
  assert.ok(Math.max(...looked) <= 500, `Expected 500 rows looked at in one place at most, got ${looked.join(", ")}`);

  let line = 0;
  for await (const products of productPages(executor, BATCH)) {
    for (const product of products) assert.equal(product.line, (line += 1));
    if (line >= 100) break;
  }
  assert.equal(line, 100);
});

/** Once a status read the rows of 1,000 products with it, a megabyte each, and gave out 200 kB. */
test("a page ends where what is read of its products is 16 MiB, and rows of the file are read for the file alone", async () => {
  const { executor } = await openTestDatabase();
  const [short, long] = ["019abc12-3456-7def-8123-000000000001", "019abc12-3456-7def-8123-000000000002"];
  const MIB = 1024 * 1024;
  for (const [batchId, urlChars] of [
    [short, 10],
    [long, MIB],
  ] as const) {
    await insertBatch(executor, batchId, { products: 18, images: 18 });
    await executor.executeSql(
      `insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record)
       select $1, n, n - 1, '', 'p', n, array[repeat('u', $2::int)], repeat('r', ${MIB}) from generate_series(1, 18) n`,
      [batchId, urlChars],
    );
  }
  const page = async (batchId: string) => (await listProducts(executor, batchId, { afterLine: 0, limit: 1_000 })).products;
  const sizes = async (pages: AsyncIterable<unknown[]>) => {
    const lengths: number[] = [];
    for await (const { length } of pages) lengths.push(length);
    return lengths;
  };
  const products = await page(short);
  assert.equal(products.length, 18);
  assert.ok(products.every((product) => !("record" in product)));
  assert.deepEqual(await sizes(recordPages(executor, short)), [16, 2]);
  assert.equal((await page(long)).length, 16);
  assert.deepEqual(await sizes(productPages(executor, long)), [16, 2]);
});

/** Before a linked output had no time it had one of 0, and its row has that still. */
test("an output that is linked to an earlier batch's has no time, whatever its row holds, and neither has a repeat's", async () => {
  const { executor } = await openTestDatabase();
  await insertBatch(executor, BATCH, { products: 1, images: 4 });
  await executor.executeSql(
    `insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record)
     values ($1, 1, 0, '', 'p', 'p', array['https://a.test/0', 'https://a.test/1', 'https://a.test/0', 'https://a.test/1'], '')`,
    [BATCH],
  );
  await executor.executeSql(
    `insert into image (batch_id, ordinal, line, position, stem, url, host, state, same_as, is_reused)
     select $1, n, 1, n + 1, 's', 'https://a.test/' || n % 2, 'a.test', 'done', case when n >= 2 then n - 2 end, n = 0 from generate_series(0, 3) n`,
    [BATCH],
  );
  await executor.executeSql(
    `insert into output (batch_id, ordinal, name, file_name, format, width, height, bytes, quality, is_kept, encode_ms)
     select $1, n, 'main', n || '.jpg', 'jpeg', 1, 1, 1, 50, false, 0 from generate_series(0, 1) n`,
    [BATCH],
  );
  const { products } = await listProducts(executor, BATCH, { afterLine: 0, limit: 1 });
  const times = products[0]?.images.map(({ outputs }) => outputs.map(({ encodeMs }) => encodeMs));
  assert.deepEqual(times, [[null], [0], [null], [0]]);
});

async function insertBatch(
  { executeSql }: Executor,
  batchId: string,
  { products, images }: { products: number; images: number },
): Promise<void> {
  await executeSql(
    `insert into batch (batch_id, tenant_id, token, recipe, on_invalid, csv_bytes, csv_facts, products, images_total)
     values ($1::uuid, '00000000-0000-7000-8000-000000000000', $1::uuid::text, '{}', 'skip', 1, '{}', $2, $3)`,
    [batchId, products, images],
  );
}

function mostLookedAt(plan: Plan): number {
  return Math.max(plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0), ...(plan.Plans ?? []).map(mostLookedAt));
}
