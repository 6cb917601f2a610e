import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import type { Problem } from "../../src/contract/problem.ts";
import { PRESETS } from "../../src/domain/image/recipe.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

describe("an upload", () => {
  let service: Service;
  let origin: Origin;
  let db: Database;
  let dataDir: string;
  let goodCsv: string;

  before(async () => {
    dataDir = await createTestFolder();
    origin = await startOrigin();
    const url = await createTestDatabase();
    db = connectDatabase({ url, poolMax: 2, onError: () => {} });
    onCleanup(() => db.close());
    service = await startService({ DATABASE_URL: url, DATA_DIR: dataDir, UPLOAD_BYTES_MAX: "200000" });
    goodCsv = catalogueOf([[`${origin.url}/photo/1.jpg`]]);
  });

  const post = (path: string, body: string | FormData, headers: Record<string, string> = {}) =>
    fetch(`${service.url}${path}`, { method: "POST", body, headers });
  const postCsv = (csv: string, query = "") => post(`/uploadAndProcessDocument${query}`, csv, { "content-type": "text/csv" });
  const problemOf = async (response: Response) => {
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    return (await response.json()) as Problem;
  };
  const formWith = (csv: string, fields: Record<string, string> = {}) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set("file", new Blob([csv]), "products.csv");
    return form;
  };
  const filesBelow = async (folder: string) =>
    (await readdir(join(dataDir, "uploads", folder), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);

  for (const prefix of ["", "/api"]) {
    test(`is taken at ${prefix}/uploadAndProcessDocument, multipart and text/csv, and answered 202`, async () => {
      for (const response of [
        await post(`${prefix}/uploadAndProcessDocument`, formWith(goodCsv)),
        await post(`${prefix}/uploadAndProcessDocument`, goodCsv, { "content-type": "text/csv; charset=utf-8" }),
      ]) {
        assert.equal(response.status, 202);
        const accepted = (await response.json()) as Record<string, unknown>;
        assert.equal(accepted["status"], "pending");
        assert.deepEqual([accepted["products"], accepted["images"]], [1, 1]);
        assert.equal(response.headers.get("location"), accepted["statusUrl"]);
        assert.equal(response.headers.get("retry-after"), "1");
        const status = await fetch(`${service.url}${prefix}/getProcessingStatus/${accepted["requestId"]}`);
        assert.equal(status.status, 200);
      }
    });
  }

  test("takes options as fields before or after the file, or in the query", async () => {
    const recipeOf = async (response: Response) => {
      assert.equal(response.status, 202);
      const { requestId } = (await response.json()) as { requestId: string };
      return (await db.executor.executeSql("select recipe from batch where batch_id = $1", [requestId])).rows[0]?.["recipe"];
    };
    const expected = { ...PRESETS.seed, format: "webp", quality: 80, width: 100, fit: "cover" };
    const fields = { format: "webp", quality: "80", width: "100", fit: "cover" };
    const after = new FormData();
    after.set("file", new Blob([goodCsv]), "products.csv");
    for (const [name, value] of Object.entries(fields)) after.set(name, value);
    assert.deepEqual(await recipeOf(await post("/uploadAndProcessDocument", formWith(goodCsv, fields))), expected);
    assert.deepEqual(await recipeOf(await post("/uploadAndProcessDocument", after)), expected);
    assert.deepEqual(await recipeOf(await postCsv(goodCsv, "?format=webp&quality=80&width=100&fit=cover")), expected);
  });

  test("takes a form's file that has no name, on every route and whatever its type says", async () => {
    const sendFile = (path: string, csv: string, headers: string) =>
      post(path, `--x\r\ncontent-disposition: form-data; name="file"${headers}\r\n\r\n${csv}\r\n--x--\r\n`, {
        "content-type": "multipart/form-data; boundary=x",
      });
    const headers = [
      "\r\ncontent-type: application/octet-stream",
      '; filename=""\r\ncontent-type: application/octet-stream',
      "\r\ncontent-type: text/csv",
      "",
    ];
    const paths = ["/uploadAndProcessDocument", "/api/uploadAndProcessDocument", "/v1/batches", "/v1/preflight"];
    // More than an option may have.
    const large = goodCsv.replace("\n", "\n".repeat(40_000));
    for (const [index, path] of paths.entries()) {
      const response = await sendFile(path, large, headers[index] ?? "");
      assert.equal(response.status, path === "/v1/preflight" ? 200 : 202, `${path}: ${await response.clone().text()}`);
      if (path === "/v1/batches") assert.equal(((await response.json()) as { fileName: string | null }).fileName, null);
    }
    // curl -F file=products.csv, which sends the path itself.
    const pathAlone = await sendFile("/uploadAndProcessDocument", "products.csv", "");
    const { code, detail } = await problemOf(pathAlone);
    assert.deepEqual([pathAlone.status, code], [422, "file_missing"]);
    assert.match(detail, /one line of text.+-F file=@products\.csv/);
    const tooLarge = await sendFile("/uploadAndProcessDocument", "x".repeat(300_000), "");
    assert.deepEqual([tooLarge.status, (await problemOf(tooLarge)).code], [413, "upload_too_large"]);
  });

  test("reports every problem of a file at once, each with line, column, code and a way out", async () => {
    const csv = [
      "S. No,Product Name,Input Image Urls",
      `1,Mug,${origin.url}/photo/1.jpg`,
      ",Cup,ftp://shop/cup.jpg",
      "3,,",
      `4,"Two\nlines","not a url, ${origin.url}/2.jpg"`,
      "",
    ].join("\n");
    const response = await postCsv(csv);
    assert.equal(response.status, 422);
    const problem = await problemOf(response);
    assert.equal(problem.code, "invalid_csv");
    assert.equal(problem.error, problem.detail);
    assert.equal(problem.errorCount, 2);
    const errors = problem.errors as { line: number; column: string | null; code: string; message: string }[];
    assert.deepEqual(
      errors.map(({ line, column, code }) => [line, column, code]),
      [
        [3, "Input Image Urls", "url_invalid"],
        [5, "Input Image Urls", "url_invalid"],
      ],
    );
    for (const { message } of errors) assert.match(message, /^Expected .+, got .+\.$/);
  });

  test("lists the first hundred problems and counts the rest", async () => {
    const problem = await problemOf(
      await postCsv(
        ["S. No,Product Name,Input Image Urls", ...Array.from({ length: 250 }, (_, index) => `${index + 1},Mug,nowhere`)].join("\n"),
      ),
    );
    assert.equal(problem.errors?.length, 100);
    assert.equal(problem.errorCount, 250);
    assert.match(problem.detail, /250 problems; the first 100 are listed/);
  });

  test("that is refused leaves no row, no job and no file", async () => {
    const fresh = await createTestFolder();
    const url = await createTestDatabase();
    const own = connectDatabase({ url, poolMax: 1, onError: () => {} });
    const other = await startService({ DATABASE_URL: url, DATA_DIR: fresh });
    const rows = Array.from({ length: 20_000 }, (_, index) => `${index + 1},Mug,${origin.url}/photo/${index}.jpg`);
    // Small ones are loaded in the API's own thread, large ones in a thread of their own.
    for (const good of [rows.slice(0, 600), rows]) {
      const response = await fetch(`${other.url}/uploadAndProcessDocument`, {
        method: "POST",
        headers: { "content-type": "text/csv" },
        body: ["S. No,Product Name,Input Image Urls", ...good, "x,Bad,nowhere"].join("\n"),
      });
      assert.equal(response.status, 422);
    }
    for (const table of ["batch", "product", "image", "endpoint", "pgboss.job"]) {
      assert.deepEqual((await own.executor.executeSql(`select count(*)::int as n from ${table}`)).rows, [{ n: 0 }], table);
    }
    await own.close();
    assert.deepEqual(
      (await readdir(join(fresh, "uploads"), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()),
      [],
    );
    assert.deepEqual(await readdir(join(fresh, "uploads", "inputCsvFiles")), []);
  });

  test("says what is wrong with the request itself", async () => {
    const twice = formWith(goodCsv);
    twice.append("file", new Blob([goodCsv]), "again.csv");
    const misnamed = new FormData();
    misnamed.set("csv", new Blob([goodCsv]), "products.csv");
    const accepted = await service.upload(goodCsv);
    const cases: [string, Promise<Response>, number, string, RegExp][] = [
      [
        "no file",
        post(
          "/uploadAndProcessDocument",
          (() => {
            const form = new FormData();
            form.set("quality", "50");
            return form;
          })(),
        ),
        422,
        "file_missing",
        /field `file`/,
      ],
      ["no body at all", fetch(`${service.url}/uploadAndProcessDocument`, { method: "POST" }), 422, "file_missing", /text\/csv/],
      ["another field", post("/uploadAndProcessDocument", misnamed), 422, "file_missing", /`csv`/],
      ["two files", post("/uploadAndProcessDocument", twice), 422, "too_many_files", /one file/],
      [
        "no multipart",
        post("/uploadAndProcessDocument", "garbage", { "content-type": "multipart/form-data; boundary=x" }),
        400,
        "bad_multipart",
        /multipart/i,
      ],
      [
        "JSON",
        post("/uploadAndProcessDocument", '{"products":[]}', { "content-type": "application/json" }),
        415,
        "wrong_file_type",
        /POST \/v1\/batches/,
      ],
      [
        "an image as the body",
        post("/uploadAndProcessDocument", "GIF89a", { "content-type": "image/gif" }),
        415,
        "unsupported_media_type",
        /text\/csv/,
      ],
      ["too large, as it is", postCsv("x".repeat(300_000)), 413, "upload_too_large", /200000 bytes/],
      ["too large, multipart", post("/uploadAndProcessDocument", formWith("x".repeat(300_000))), 413, "upload_too_large", /200000 bytes/],
      ["empty", postCsv(""), 422, "invalid_csv", /1 problem/],
      ["bad options", postCsv(goodCsv, "?quality=0&format=bmp&colour=red"), 422, "invalid_options", /quality.+format.+colour|colour/],
      ["bad webhook", postCsv(goodCsv, "?webhookUrl=http://192.168.1.1/"), 422, "invalid_webhook", /ALLOW_CIDRS/],
      ["webhook without scheme", postCsv(goodCsv, "?webhookUrl=shop.example"), 422, "invalid_webhook", /http/],
      [
        "weak secret",
        postCsv(goodCsv, `?webhookUrl=${encodeURIComponent(origin.url)}&webhookSecret=short`),
        422,
        "invalid_options",
        /base64/,
      ],
      [
        "unknown request",
        fetch(`${service.url}/getProcessingStatus/019abc12-3456-7def-8123-456789abcdef`),
        404,
        "batch_not_found",
        /requestId/,
      ],
      ["no id at all", fetch(`${service.url}/getProcessingStatus/1`), 404, "batch_not_found", /requestId/],
      ["bad page", fetch(`${accepted.statusUrl}?limit=0`), 400, "bad_request", /limit/],
      ["bad cursor", fetch(`${accepted.statusUrl}?cursor=abc`), 400, "bad_request", /cursor/],
      ["no route", fetch(`${service.url}/nothing`), 404, "not_found", /\/docs/],
    ];
    for (const [name, sent, status, code, detail] of cases) {
      const response = await sent;
      const problem = await problemOf(response);
      assert.deepEqual([response.status, problem.code, problem.status], [status, code, status], `${name}: ${JSON.stringify(problem)}`);
      assert.match(problem.detail, detail, name);
      assert.doesNotMatch(JSON.stringify(problem), /node_modules|at .+\.ts/, name);
    }
  });

  test("lists every fault of the options at once", async () => {
    const problem = await problemOf(await postCsv(goodCsv, "?quality=0&format=bmp&colour=red&onInvalid=maybe"));
    assert.deepEqual((problem.errors as { field: string }[]).map(({ field }) => field).toSorted(), [
      "colour",
      "format",
      "onInvalid",
      "quality",
    ]);
  });

  test("names what a file is that is no CSV", async () => {
    const workbook = new Blob([Buffer.from("PK\u0003\u0004 and so on", "latin1")]);
    const form = new FormData();
    form.set("file", workbook, "products.xlsx");
    const response = await post("/uploadAndProcessDocument", form);
    assert.equal(response.status, 415);
    assert.match((await problemOf(response)).detail, /ZIP archive.+unpack it/);
  });

  test("takes names and texts that a database would refuse", async () => {
    const boundary = "x";
    const csv = `S. No,Product Name,Input Image Urls\n1,Mug,"${"a".repeat(99)}😀 tail"\n`;
    const body = [
      `--${boundary}`,
      "content-disposition: form-data; name=\"file\"; filename*=UTF-8''a%00b.csv",
      "content-type: text/csv",
      "",
      csv,
      `--${boundary}`,
      'content-disposition: form-data; name="onInvalid"',
      "",
      "skip",
      `--${boundary}--`,
      "",
    ].join("\r\n");
    const response = await post("/uploadAndProcessDocument", body, { "content-type": `multipart/form-data; boundary=${boundary}` });
    assert.equal(response.status, 202, await response.clone().text());
    const { requestId } = (await response.json()) as { requestId: string };
    assert.equal((await service.finished(requestId)).products[0]?.errors[0]?.code, "url_invalid");
    assert.deepEqual((await db.executor.executeSql("select csv_file_name from batch where batch_id = $1", [requestId])).rows, [
      { csv_file_name: "ab.csv" },
    ]);
  });

  test("that the database refuses half-way is a problem of ours, leaves nothing and ends nobody", async () => {
    await db.executor.executeSql("alter table product add constraint refuse_boom check (serial <> 'boom')");
    const rows = Array.from({ length: 2_000 }, (_, index) => `${index},Mug,${origin.url}/photo/1.jpg`);
    const before = await filesBelow("inputCsvFiles");
    // Small ones are loaded on the API's connection, large ones in a thread.
    for (const more of [rows.slice(0, 10), rows, [...rows, ...rows]]) {
      const response = await postCsv(
        ["S. No,Product Name,Input Image Urls", ...more.slice(0, 3_900), `boom,Mug,${origin.url}/photo/1.jpg`].join("\n"),
      );
      const problem = await problemOf(response);
      assert.deepEqual([response.status, problem.code], [500, "internal_error"]);
      assert.doesNotMatch(problem.detail, /boom/);
    }
    assert.deepEqual(await filesBelow("inputCsvFiles"), before);
    assert.equal((await fetch(`${service.url}/readyz`)).status, 200);
    await db.executor.executeSql("alter table product drop constraint refuse_boom");
  });

  test("that its client breaks off leaves no file", async () => {
    const before = await filesBelow("temp");
    const request = httpRequest(`${service.url}/uploadAndProcessDocument`, {
      method: "POST",
      headers: { "content-type": "text/csv", "transfer-encoding": "chunked" },
    });
    request.on("error", () => {});
    request.write("S. No,Product Name,Input Image Urls\n1,Mug,");
    await eventually("the spool file", async () => (await filesBelow("temp")).length > before.length);
    request.destroy();
    await eventually("its removal", async () => (await filesBelow("temp")).length === before.length);
  });
});
