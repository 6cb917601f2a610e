import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import pg from "pg";
import { createReportRole } from "../../src/db/report-role.ts";
import { scramVerifier } from "../../src/domain/scram.ts";
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
  before(async () => {
    const db = await openTestDatabase();
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

  test("says of each view what its comment says", async () => {
    const { rows } = await analyst.query<{ name: string; comment: string }>(
      "select relname as name, obj_description(oid, 'pg_class') as comment from pg_class where relnamespace = 'report'::regnamespace",
    );
    for (const { name, comment } of rows) assert.ok(page.includes(`| \`${name}\` | ${comment} |`), `${name}: ${comment}`);
  });
});
