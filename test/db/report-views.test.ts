import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import type { Database } from "../../src/db/connection/connect.ts";
import { openReport } from "../../src/db/report/read-report.ts";
import { cleanImageUrl } from "../../src/domain/url/clean-image-url.ts";
import { IMAGE_CODES } from "../../src/domain/image/image-code.ts";
import { REPORT_NAMES, REPORT_VERSION, REPORTS } from "../../src/domain/report.ts";
import { openTestDatabase } from "../support/database.ts";

type Column = { view: string; column: string; type: string; comment: string | null };

describe("schema report", () => {
  let db: Database;
  let columns: Column[];
  before(async () => {
    db = await openTestDatabase();
    columns = (
      await db.executor.executeSql(
        `select c.relname as view, a.attname as column, format_type(a.atttypid, a.atttypmod) as type, col_description(c.oid, a.attnum) as comment
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
       where c.relnamespace = 'report'::regnamespace order by c.relname, a.attnum`,
      )
    ).rows as Column[];
  });
  const sectionOf = (view: string) => {
    const rows = columns.filter((column) => column.view === view);
    const lines = rows.map(({ column, type, comment }) => `| \`${column}\` | ${type} | ${comment?.replaceAll("|", "\\|")} |`);
    return [view, "", "| column | type | meaning |", "|---|---|---|", ...lines].join("\n");
  };
  const rowsOf = async (sql: string, ...values: unknown[]) => (await db.executor.executeSql(sql, values)).rows;
  const addBatch = (batchId: string) =>
    rowsOf(
      "insert into batch (batch_id, tenant_id, token, recipe, on_invalid, csv_bytes, csv_facts, products, images_total) values ($1, '00000000-0000-7000-8000-000000000000', $2, '{}', 'skip', 1, '{}', 1, 30)",
      batchId,
      batchId,
    );

  test("is version 1, whose columns keep their names, types and order for ever, and are listed with what their comments say", async () => {
    assert.deepEqual(await rowsOf("select version from report.version"), [{ version: REPORT_VERSION }]);
    // A column or view more is written into this page, as the difference shows it; no name or type in it is ever changed or taken out.
    const page = await readFile(new URL("../../docs/report-columns.md", import.meta.url), "utf8");
    const [, ...sections] = page.trimEnd().split("\n\n## ");
    assert.deepEqual(sections, [...REPORT_NAMES, "version"].map(sectionOf));
  });

  test("says of every view and every column what it is", async () => {
    assert.deepEqual(
      columns.filter(({ comment }) => comment === null || !/^\S.*[.)]$/.test(comment)),
      [],
    );
    const views = await rowsOf(
      "select relname, relkind, obj_description(oid, 'pg_class') as comment from pg_class where relnamespace = 'report'::regnamespace order by 1",
    );
    assert.deepEqual(
      views.map(({ relname }) => relname),
      [...REPORT_NAMES, "version"].toSorted(),
    );
    for (const { relname, relkind, comment } of views)
      assert.ok(relkind === "v" && typeof comment === "string" && comment.length > 10, String(relname));
  });

  test("has texts for states, times with their zone, and units in names", () => {
    for (const { view, column, type } of columns) {
      const name = `${view}.${column} ${type}`;
      assert.ok(["text", "uuid", "integer", "bigint", "numeric", "boolean", "timestamp with time zone", "jsonb"].includes(type), name);
      assert.equal(type === "timestamp with time zone", /_at$|^hour$/.test(column), name);
      assert.equal(type === "boolean", /^(is|has)_/.test(column), name);
      if (type === "numeric") assert.match(column, /_(seconds|percent)$/, name);
      if (type === "bigint") assert.match(column, /_bytes$/, name);
      assert.doesNotMatch(column, /_ms$|_mb$/, name);
    }
  });

  test("has no column of a secret, whatever tables hold", async () => {
    const secrets = (
      await rowsOf(
        `select distinct a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid where c.relnamespace = 'public'::regnamespace and a.attnum > 0`,
      )
    )
      .map(({ attname }) => String(attname))
      .filter((name) => /token|secret|header|record|authorization|body|urls$/.test(name));
    assert.ok(
      ["token", "secret", "source_headers", "record", "body", "urls"].every((name) => secrets.includes(name)),
      secrets.join(),
    );
    assert.deepEqual(
      columns.filter(({ column }) => secrets.includes(column)),
      [],
    );
  });

  test("names every failure code's stage, and whether trying again can help, as the service decides it", async () => {
    const batchId = "019abc12-3456-7def-8123-456789abcdef";
    const codes = Object.keys(IMAGE_CODES).filter((code) => code !== "cancelled");
    await addBatch(batchId);
    await rowsOf(
      `insert into image (batch_id, ordinal, line, position, stem, url, host, state, code) select $1, n, 2, n, 's-' || n, 'https://a.test/' || n, 'a.test', 'failed', code from unnest($2::text[]) with ordinality as t(code, n)`,
      batchId,
      codes,
    );
    const found = await rowsOf("select code, stage, is_retryable as retry, images from report.failures_by_code order by code");
    assert.deepEqual(
      found,
      codes.toSorted().map((code) => {
        const { stage, retry } = IMAGE_CODES[code as keyof typeof IMAGE_CODES];
        return { code, stage, retry, images: 1 };
      }),
    );
  });

  test("shows of what is no URL neither a password nor a query, also where one holds the other's mark", async () => {
    const batchId = "019abc12-3456-7def-8123-456789abcde1";
    const shown: [url: string, shown: string][] = [
      ["mug.jpg?key=secret", "mug.jpg"],
      ["http://me:secret@a.test/mug.jpg?key=secret", "...@a.test/mug.jpg"],
      ["http://me:secret?secret@a.test/mug.jpg", "..."],
      ["http://me:secret#secret@a.test/mug.jpg?key=secret", "..."],
      ["http://me:secret@secret?secret@a.test/mug.jpg", "..."],
      ["mug.jpg?to=me@a.test&key=secret", "..."],
      ["filename=mug.jpg&X-Amz-Signature=secret", "filename"],
      ["&X-Amz-Signature=secret", ""],
      ["mug.jpg&to=me@a.test&X-Amz-Signature=secret", "..."],
    ];
    await addBatch(batchId);
    await rowsOf(
      `insert into image (batch_id, ordinal, line, position, stem, url, host, state, code, detail) select $1, n, 2, n, 's-' || n, url, '', 'failed', 'url_invalid', '' from unnest($2::text[]) with ordinality as t(url, n)`,
      batchId,
      shown.map(([url]) => url),
    );
    assert.deepEqual(
      (await rowsOf("select url from report.images where batch_id = $1 order by ordinal", batchId)).map(({ url }) => url),
      shown.map(([, expected]) => expected),
    );
  });

  test("shows of the end of a link that broke in two no signature in the detail either, also where a version before had quoted it", async () => {
    const batchId = "019abc12-3456-7def-8123-456789abcde3";
    const got = "Expected an absolute http or https URL, got ";
    const advice = "If it is a path on your shop, upload with baseUrl=…, such as baseUrl=https://shop.example/media.";
    const shown: [detail: string, shown: string][] = [
      [`${got}"filename=a.jpg&X-Amz-Signature=secret". ${advice}`, `${got}"filename=...". ${advice}`],
      [`${got}"a "b" &X-Amz-Signature=se"cret". ${advice}`, `${got}"a "b" &...". ${advice}`],
      [`${got}"www.a.test/a&k=secret". Write https:// before it: "https://www.a.test/a&k=secret".`, `${got}"www.a.test/a&...".`],
      ...[`${got}"mug.jpg". ${advice}`, `${got}"mug.jpg?…". ${advice}`, `${got}"filename=…". ${advice}`].map((detail): [string, string] => [
        detail,
        detail,
      ]),
    ];
    await addBatch(batchId);
    await rowsOf(
      `insert into image (batch_id, ordinal, line, position, stem, url, host, state, code, detail) select $1, n, 2, n, 's-' || n, 'x', '', 'failed', 'url_invalid', detail from unnest($2::text[]) with ordinality as t(detail, n)`,
      batchId,
      shown.map(([detail]) => detail),
    );
    assert.deepEqual(
      (await rowsOf("select detail from report.images where batch_id = $1 order by ordinal", batchId)).map(({ detail }) => detail),
      shown.map(([, expected]) => expected),
    );
  });

  test("shows of an output the quality that it was compressed with, where it was, and of a linked one no time", async () => {
    const batchId = "019abc12-3456-7def-8123-456789abcde5";
    const shown: [format: string, quality: number, isKept: boolean, shown: number | null][] = [
      ["jpeg", 100, false, 100],
      ["jpeg", 80, true, null],
      ["png", 100, false, null],
      ["png", 99, false, 99],
      ["webp", 100, false, 100],
      ["png", 99, true, null],
    ];
    await addBatch(batchId);
    await rowsOf(
      `insert into image (batch_id, ordinal, line, position, stem, url, host, state, is_reused) select $1, n, 2, n + 1, 's', 'https://a.test/' || n, 'a.test', 'done', n = 1 from generate_series(0, 1) n`,
      batchId,
    );
    await rowsOf(
      `insert into output (batch_id, ordinal, name, file_name, format, width, height, bytes, quality, is_kept, encode_ms)
       select $1, i.ordinal, 'o' || n, i.ordinal || '-' || n, s.format, 1, 1, 1, s.quality, s."isKept", 0
       from image i cross join rows from (json_to_recordset($2) as (format text, quality smallint, "isKept" boolean)) with ordinality as s(format, quality, "isKept", n) where i.batch_id = $1`,
      batchId,
      JSON.stringify(shown.map(([format, quality, isKept]) => ({ format, quality, isKept }))),
    );
    assert.deepEqual(
      (
        await rowsOf(
          "select quality, is_reused, encode_seconds::text as seconds from report.outputs where batch_id = $1 order by ordinal, output_name",
          batchId,
        )
      ).map((row) => Object.values(row)),
      [false, true].flatMap((isReused) => shown.map(([, , , quality]) => [quality, isReused, isReused ? null : "0.000"])),
    );
  });

  test("has no row of a batch whose products and images are still being removed", async () => {
    const batchId = "019abc12-3456-7def-8123-456789abcde4";
    await rowsOf(
      "insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record) values ($1, 2, 0, 'a', 'A', 'a', '{x}', '')",
      batchId,
    );
    await rowsOf(
      "insert into image (batch_id, ordinal, line, position, stem, url, host, state, attempts, started_at, finished_at) values ($1, 0, 2, 1, 'a-1', 'https://a.test/x', 'a.test', 'done', 2, now(), now())",
      batchId,
    );
    await rowsOf(
      "insert into image_attempt (batch_id, ordinal, attempt, code, detail, started_at, finished_at) values ($1, 0, 1, 'timed_out', '', now(), now())",
      batchId,
    );
    await rowsOf(
      "insert into output (batch_id, ordinal, file_name, format, width, height, bytes) values ($1, 0, 'a-1.jpg', 'jpeg', 1, 1, 1)",
      batchId,
    );
    const views = REPORT_NAMES.filter((name) => REPORTS[name].hasBatch);
    for (const view of views) assert.deepEqual(await rowsOf(`select * from report.${view} where batch_id = $1`, batchId), [], view);
    await addBatch(batchId);
    for (const view of ["products", "images", "outputs", "image_attempts"])
      assert.ok((await rowsOf(`select * from report.${view} where batch_id = $1`, batchId)).length > 0, view);
  });

  test("shows of a file that OneDrive shares not the link that its URL has in the path, with the key", async () => {
    const batchId = "019abc12-3456-7def-8123-456789abcde2";
    const cell = "https://onedrive.live.com/redir?resid=1A2B%2134&authkey=%21s3cr3t";
    const fetched = cleanImageUrl(cell, { baseUrl: null });
    assert.ok(fetched.ok && fetched.rules.includes("onedrive_direct"));
    const shown: [url: string, shown: string][] = [
      [fetched.href, "https://api.onedrive.com/v1.0/shares/u!..."],
      ["https://graph.microsoft.com/v1.0/shares/u%21aHR0cHM6/driveItem/content?token=1", "https://graph.microsoft.com/v1.0/shares/u!..."],
      ["https://a.test/mug.jpg?key=1&from=/shares/u!aHR0cHM6", "https://a.test/mug.jpg"],
      ["https://a.test/shares/u/mug.jpg", "https://a.test/shares/u/mug.jpg"],
    ];
    await addBatch(batchId);
    await rowsOf(
      `insert into image (batch_id, ordinal, line, position, stem, url, host, state, final_url) select $1, n, 2, n, 's-' || n, url, '', 'done', url from unnest($2::text[]) with ordinality as t(url, n)`,
      batchId,
      shown.map(([url]) => url),
    );
    assert.deepEqual(
      (await rowsOf("select url, final_url from report.images where batch_id = $1 order by ordinal", batchId)).map(Object.values),
      shown.map(([, expected]) => [expected, expected]),
    );
  });

  test("counts what a cancelled batch never tried as skipped, and as nothing else", async () => {
    const batchId = "019abc12-3456-7def-8123-456789abcde0";
    await rowsOf(
      `insert into batch (batch_id, tenant_id, token, status, outcome, recipe, on_invalid, csv_bytes, csv_facts, products, images_total, images_done, images_skipped, is_planned, input_bytes, output_bytes, cancelled_at, finished_at)
      values ($1, '00000000-0000-7000-8000-000000000000', 'cancelled', 'cancelled', 'some', '{}', 'skip', 1, '{}', 2, 3, 1, 2, true, 1000, 300, now(), now())`,
      batchId,
    );
    await rowsOf(
      "insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record) values ($1, 2, 0, 'a', 'A', 'a', '{x,y}', ''), ($1, 3, 2, 'b', 'B', 'b', '{z}', '')",
      batchId,
    );
    await rowsOf(
      `insert into image (batch_id, ordinal, line, position, stem, url, host, state, code, attempts, source_bytes, started_at, finished_at) values
      ($1, 0, 2, 1, 'a-1', 'https://a.test/x', 'a.test', 'done', null, 1, 1000, now(), now()), ($1, 1, 2, 2, 'a-2', 'https://a.test/y', 'a.test', 'cancelled', 'cancelled', 1, null, null, now()), ($1, 2, 3, 1, 'b-1', 'https://a.test/z', 'a.test', 'cancelled', 'cancelled', 0, null, null, now())`,
      batchId,
    );
    const one = async (sql: string) => (await rowsOf(`${sql} where batch_id = $1`, batchId)).map((row) => Object.values(row));
    assert.deepEqual(
      await one(
        "select images, images_done, images_failed, images_skipped, images_open, settled_percent, failed_percent::float8 from report.batches",
      ),
      [[3, 1, 0, 2, 0, 100, 0]],
    );
    assert.deepEqual(await one("select state, images, images_done, images_failed, images_skipped, failure_codes from report.products"), [
      ["partial", 2, 1, 0, 1, null],
      ["failed", 1, 0, 0, 1, null],
    ]);
    assert.deepEqual(
      await one("select images, images_done, images_failed, failed_percent::float8, commonest_code from report.failures_by_host"),
      [[3, 1, 0, 0, null]],
    );
    for (const view of ["failures_by_code", "backlog", "stage_seconds"])
      assert.deepEqual(await one(`select * from report.${view}`), [], view);
    assert.deepEqual(await one("select ordinal, outcome from report.image_attempts"), [[0, "done"]]);
  });

  test("counts what was never planned as skipped when the batch does, and not while it is being cancelled", async () => {
    const batchId = "019abc12-3456-7def-8123-456789abcdf0";
    await rowsOf(
      `insert into batch (batch_id, tenant_id, token, status, recipe, on_invalid, csv_bytes, csv_facts, products, images_total, images_done, cancelled_at)
      values ($1, '00000000-0000-7000-8000-000000000000', 'being cancelled', 'processing', '{}', 'skip', 1, '{}', 1, 2, 1, now())`,
      batchId,
    );
    await rowsOf(
      "insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record) values ($1, 2, 0, 'a', 'A', 'a', '{x,y}', '')",
      batchId,
    );
    await rowsOf(
      "insert into image (batch_id, ordinal, line, position, stem, url, host, state) values ($1, 0, 2, 1, 'a-1', 'https://a.test/x', 'a.test', 'done')",
      batchId,
    );
    const counts = async () =>
      (
        await rowsOf(
          "select b.images_skipped, p.images_skipped as of_products, p.state from report.batches b join report.products p using (batch_id) where batch_id = $1",
          batchId,
        )
      ).map((row) => Object.values(row));
    assert.deepEqual(await counts(), [[0, 0, "pending"]]);
    await rowsOf("update batch set is_planned = true, images_skipped = 1 where batch_id = $1", batchId);
    assert.deepEqual(await counts(), [[1, 1, "partial"]]);
  });

  test("gives the newest first, of what is still to be done as of everything", async () => {
    const [older, newer] = ["019abc12-3456-7def-8123-456789abc001", "019abc12-3456-7def-8123-456789abc002"] as const;
    for (const batchId of [older, newer])
      await rowsOf(
        "insert into batch (batch_id, tenant_id, token, recipe, on_invalid, csv_bytes, csv_facts, products, images_total) values ($1, '00000000-0000-7000-8000-000000000000', $2, '{}', 'skip', 1, '{}', 1, 1)",
        batchId,
        `newest-${batchId}`,
      );
    const filter = { tenantId: null, batchId: null, since: null, until: null, limit: null };
    for (const name of ["batches", "savings", "backlog"] as const) {
      const { columns, pages, close } = await openReport(db.url, name, filter);
      const ids: string[] = [];
      for await (const rows of pages) ids.push(...rows.map((row) => String(row[columns.indexOf("batch_id")])));
      await close();
      assert.deepEqual(ids, ids.toSorted().toReversed(), name);
      assert.ok(ids.includes(older) && ids.includes(newer), name);
    }
  });

  test("has the columns that reports are ordered and bounded by", () => {
    const names = new Set(columns.map(({ view, column }) => `${view}.${column}`));
    for (const name of REPORT_NAMES) {
      const { time, hasBatch } = REPORTS[name];
      for (const column of [time, "tenant_id", ...(hasBatch ? ["batch_id"] : [])])
        assert.ok(names.has(`${name}.${column}`), `${name}.${column}`);
    }
  });
});
