import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import pg from "pg";
import type { Database } from "../../src/db/connection/connect.ts";
import { createReportRole } from "../../src/db/report/report-role.ts";
import { scramVerifier } from "../../src/domain/secret/scram.ts";
import { onCleanup } from "../support/cleanup.ts";
import { openTestDatabase } from "../support/database.ts";
import { fillReportFixture } from "../support/report-fixture.ts";
import { psqlTable } from "../support/psql-table.ts";

const PAGE = new URL("../../docs/reporting.md", import.meta.url);
const BLOCK = /^### (?<question>.+?)\n(?:(?!^### ).*\n)*?```sql\n(?<sql>[^`]+)```\n\n```\n(?<output>[^`]+)```/gm;
const PAIR = /```sql\n(?<sql>[^`]+)```\n\n```\n(?<output>[^`]+)```/g;

describe("docs/reporting.md", async () => {
  const page = await readFile(PAGE, "utf8");
  let analyst: pg.Client;
  let db: Database;
  before(async () => {
    db = await openTestDatabase();
    await fillReportFixture(db);
    const name = `docs_${randomBytes(6).toString("hex")}`;
    await db.transaction((tx) =>
      createReportRole(tx, { name, verifier: scramVerifier("password", randomBytes(16)), isDatabaseOurs: false }),
    );
    analyst = new pg.Client({ connectionString: Object.assign(new URL(db.url), { username: name, password: "password" }).href });
    await analyst.connect();
    await analyst.query("set timezone = 'UTC'");
    onCleanup(async () => {
      await db.executor.executeSql(`drop owned by ${name}`);
      await db.executor.executeSql(`drop role ${name}`);
    });
    onCleanup(() => analyst.end());
  });

  test("answers twelve questions and more", () => {
    const questions = [...page.matchAll(BLOCK)].map(({ groups }) => groups?.["question"]);
    assert.equal(questions.length, 12, questions.join("\n"));
    assert.equal((page.match(/```sql/g) ?? []).length, [...page.matchAll(PAIR)].length, "each with what comes");
  });

  for (const [index, { groups }] of [...page.matchAll(PAIR)].entries()) {
    const sql = groups?.["sql"] ?? "";
    test(`block ${index + 1} gives what it shows, to a report user: ${sql.split("\n")[0]} …`, async () => {
      assert.equal(await psqlTable(analyst, sql), groups?.["output"]);
    });
  }

  test("asks nothing that fails where a host has nothing but cancelled images", async () => {
    const batchId = "019abc12-3456-7def-8123-456789abcde1";
    for (const sql of [
      `insert into batch (batch_id, tenant_id, token, status, outcome, recipe, on_invalid, csv_bytes, csv_facts, products, images_total, images_skipped, is_planned, created_at, cancelled_at, finished_at)
       values ($1, '00000000-0000-7000-8000-000000000000', 'cancelled', 'cancelled', 'none', '{}', 'skip', 1, '{}', 1, 1, 1, true, '2026-11-20', '2026-11-20', '2026-11-20')`,
      "insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record) values ($1, 2, 0, 'a', 'A', 'a', '{x}', '')",
      `insert into image (batch_id, ordinal, line, position, stem, url, host, state, code, finished_at)
       values ($1, 0, 2, 1, 'a-1', 'https://only.cancelled.test/x', 'only.cancelled.test', 'cancelled', 'cancelled', '2026-11-20')`,
    ])
      await db.executor.executeSql(sql, [batchId]);
    const answers = await Promise.all([...page.matchAll(PAIR)].map(({ groups }) => psqlTable(analyst, groups?.["sql"] ?? "")));
    assert.ok(
      answers.some((answer) => answer.includes("only.cancelled.test")),
      "it is asked about",
    );
  });

  test("says of each view what its comment says", async () => {
    const { rows } = await analyst.query<{ name: string; comment: string }>(
      "select relname as name, obj_description(oid, 'pg_class') as comment from pg_class where relnamespace = 'report'::regnamespace",
    );
    for (const { name, comment } of rows) assert.ok(page.includes(`| \`${name}\` | ${comment} |`), `${name}: ${comment}`);
  });
});
