import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { text } from "node:stream/consumers";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { connectDatabase } from "../../src/db/connection/connect.ts";
import { onCleanup } from "../support/cleanup.ts";
import { rowsByFastCsv } from "../support/csv.ts";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { fillReportFixture } from "../support/report-fixture.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WINTER = "019aa000-0000-7000-8000-000000000003";

describe("pressrun report", () => {
  let env: Record<string, string>;
  let db: ReturnType<typeof connectDatabase>;
  before(async () => {
    const url = await createTestDatabase();
    db = connectDatabase({ url, poolMax: 1, onError: () => {} });
    onCleanup(() => db.close());
    await fillReportFixture(db);
    env = { DATABASE_URL: url };
  });

  const start = (words: string[], more: Record<string, string> = {}) =>
    spawn(process.execPath, ["bin/pressrun.js", "report", ...words], {
      cwd: ROOT,
      env: { PATH: process.env["PATH"] ?? "", ...env, ...more },
    });
  const report = async (words: string[], more: Record<string, string> = {}) => {
    const child = start(words, more);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
    return { code: code as number, stdout, stderr };
  };

  test("prints a table as psql does", async () => {
    const { code, stdout, stderr } = await report(["stage_seconds", "--batch", WINTER]);
    assert.deepEqual([code, stderr], [0, ""]);
    const lines = stdout.split("\n");
    assert.match(lines[0] ?? "", /^ +batch_id +\| +tenant_id +\| +batch_created_at +\| stage +\| images \| p50_seconds \|/);
    assert.match(lines[1] ?? "", /^-+(\+-+)+$/);
    assert.match(lines[2] ?? "", /\| wait   \|      6 \|        0\.04 \|/);
    assert.deepEqual(lines.slice(-2), ["(4 rows)", ""]);
    const dividers = (line: string) => [...line.matchAll(/[|+]/g)].map(({ index }) => index);
    for (const line of lines.slice(0, -2)) assert.deepEqual(dividers(line), dividers(lines[1] ?? ""), line);
  });

  test("prints CSV and JSON, bounded by batch, time and number", async () => {
    const csv = await rowsByFastCsv((await report(["images", "--batch", WINTER, "--format", "csv"])).stdout);
    assert.equal(csv.length, 8);
    const json = JSON.parse(
      (await report(["batches", "--format", "json", "--since", "2026-11-21", "--until", "2026-11-24T08:00Z"])).stdout,
    ) as Record<string, unknown>[];
    assert.deepEqual(
      json.map((row) => [row["file_name"], row["images_failed"], row["created_at"]]),
      [
        ["winter.csv", 4, "2026-11-23T22:58:00.000Z"],
        ["autumn.csv", 0, "2026-11-21T08:00:00.000Z"],
      ],
    );
    assert.deepEqual(JSON.parse((await report(["savings", "--format", "json", "--limit", "1"])).stdout).length, 1);
    assert.equal((await report(["batches", "--format", "json", "--until", "2020-01-01"])).stdout, "[]\n");
  });

  test("does not end well where its output finds no room", { skip: !existsSync("/dev/full") }, async () => {
    for (const format of ["table", "csv"]) {
      const words = [process.execPath, "bin/pressrun.js", "report", "batches", "--format", format];
      const child = spawn("sh", ["-c", 'exec "$0" "$@" > /dev/full', ...words], {
        cwd: ROOT,
        env: { PATH: process.env["PATH"] ?? "", ...env },
      });
      const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
      assert.equal(code, 3);
      assert.match(stderr, /^The output could not be written: ENOSPC[^\n]*\n$/);
    }
  });

  test("says what was expected, and prints nothing then", async () => {
    for (const [words, said] of [
      [[], /missing required argument 'NAME'/],
      [["sales"], /batches, products, images.+got "sales"/],
      [["batches", "--format", "xml"], /--format: expected table, csv, json, got "xml"/],
      [["batches", "--limit", "0"], /--limit: expected a whole number from 1 to 1000000, got "0"/],
      [["batches", "--since", "yesterday"], /--since: expected 2026-11-24.+24h.+got "yesterday"/],
      [["throughput_hourly", "--batch", WINTER], /of all batches/],
      [["images", "--batch", "1"], /--batch: expected a batchId/],
    ] as [string[], RegExp][]) {
      const { code, stdout, stderr } = await report(words);
      assert.deepEqual([code, stdout], [2, ""], words.join(" "));
      assert.match(stderr, said);
    }
    const dataDir = await createTestFolder();
    const missing = await report(["batches"], { DATABASE_URL: "", DATA_DIR: dataDir });
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /Expected a database in .+, where there is none/);
  });

  test("a table of many rows is cut and says so; who reads of a CSV what he needs may go", async () => {
    await db.executor.executeSql(
      "insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record) select $1, n, 1000, n, repeat('x', 1000), n, '{}', '' from generate_series(100, 3099) n",
      [WINTER],
    );
    const table = await report(["products", "--batch", WINTER]);
    assert.deepEqual([table.stdout.trimEnd().split("\n").at(-1), table.code], ["(1000 rows)", 0]);
    assert.match(table.stderr, /more than 1000 rows: --limit N/);
    assert.equal((await report(["products", "--batch", WINTER, "--limit", "1200"])).stdout.trimEnd().split("\n").at(-1), "(1200 rows)");
    const child = start(["products", "--batch", WINTER, "--format", "csv"]);
    await once(child.stdout, "data");
    child.stdout.destroy();
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
    assert.deepEqual([code, said], [0, ""]);
  });
});
