import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Database } from "../../src/db/connection/connect.ts";
import { REPORT_NAMES, REPORTS } from "../../src/domain/report.ts";
import { openTestDatabase } from "../support/database.ts";

type Plan = {
  "Node Type": string;
  "Actual Rows": number;
  "Actual Loops": number;
  "Rows Removed by Filter"?: number;
  Plans?: Plan[];
};

const LARGE_IMAGES = 10_000;
const SMALL_BATCHES = 200;

/**
 * A large batch was analyzed, small ones have come since: too few to be analyzed again. By those statistics any batch has all of
 * the images, and a report that read them all for each batch would take hours.
 */
describe("with statistics of one large batch, a report reads no image twice for every batch", () => {
  let db: Database;
  before(async () => {
    db = await openTestDatabase();
    await fill(db);
  });

  for (const name of REPORT_NAMES)
    test(name, async () => {
      const most = await mostScannedFor(db, `select * from report.${name}`);
      assert.ok(most <= 2 * (LARGE_IMAGES + SMALL_BATCHES), `Expected some ${LARGE_IMAGES} rows looked at in one place, got ${most}`);
    });

  for (const name of ["failures_by_code", "failures_by_host"] as const)
    test(`the newest rows of ${name} are there before the batches that are older were read`, async () => {
      const most = await mostScannedFor(db, `select * from report.${name} order by ${REPORTS[name].order} limit 20`);
      assert.ok(most >= 20 && most <= SMALL_BATCHES, `Expected some 20 rows looked at in one place, got ${most}`);
    });
});

async function mostScannedFor({ executor }: Database, sql: string): Promise<number> {
  const { rows } = await executor.executeSql(`explain (analyze, timing off, format json) ${sql}`);
  const plans = rows.flatMap((row) => row["QUERY PLAN"] as { Plan: Plan }[]);
  return Math.max(...plans.map(({ Plan: plan }) => mostScanned(plan)));
}

async function fill({ executor }: Database): Promise<void> {
  const tables = ["batch", "product", "image", "output"];
  for (const table of tables) await executor.executeSql(`alter table ${table} set (autovacuum_enabled = false)`);
  const add = async (batches: string, images: number) => {
    await executor.executeSql(
      `insert into batch (batch_id, tenant_id, token, recipe, on_invalid, csv_bytes, csv_facts, products, images_total, images_reused, is_planned)
       select lpad(n::text, 32, '0')::uuid, '00000000-0000-7000-8000-000000000000', n, '{}', 'skip', 1, '{}', ${images}, ${images}, 1, true from ${batches} n`,
    );
    const rows = `${batches} n cross join generate_series(1, ${images}) line`;
    await executor.executeSql(
      `insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record)
       select lpad(n::text, 32, '0')::uuid, line, line - 1, 's', 'n', 's', array['https://h.test/'], '' from ${rows}`,
    );
    await executor.executeSql(
      `insert into image (batch_id, ordinal, line, position, stem, url, host, state, code, finished_at)
       select lpad(n::text, 32, '0')::uuid, line - 1, line, 1, 's', 'https://h.test/', 'h.test', 'failed', 'not_found', now() from ${rows}`,
    );
    await executor.executeSql(
      `insert into output (batch_id, ordinal, file_name, format, width, height, bytes)
       select lpad(n::text, 32, '0')::uuid, line - 1, line, 'jpeg', 1, 1, 1 from ${rows}`,
    );
  };
  await add("generate_series(1, 1)", LARGE_IMAGES);
  for (const table of tables) await executor.executeSql(`analyze ${table}`);
  await add(`generate_series(2, ${1 + SMALL_BATCHES})`, 1);
  // What is small is analyzed soon.
  await executor.executeSql("analyze batch");
}

function mostScanned(plan: Plan): number {
  const rows = plan["Node Type"].includes("Scan") ? plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0) : 0;
  return Math.max(rows * plan["Actual Loops"], ...(plan.Plans ?? []).map(mostScanned));
}
