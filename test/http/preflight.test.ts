import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import Value from "typebox/value";
import { Preflight } from "../../src/contract/preflight.ts";
import type { Problem } from "../../src/contract/problem.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

const SECRET = "s1gnatur3";

describe("POST /v1/preflight", () => {
  let service: Service;
  let origin: Origin;
  let broken: Origin;
  let db: Database;
  let dataDir: string;
  const hanging = { asked: 0, closed: 0 };
  before(async () => {
    origin = await startOrigin((_, response, url) => {
      if (url.pathname === "/export.csv") response.setHeader("content-type", "text/csv").end(`sku,photo\nC-1,${origin.url}/photo/c1.jpg\n`);
      else if (url.pathname.startsWith("/hang/")) {
        hanging.asked += 1;
        response.once("close", () => (hanging.closed += 1));
      } else if (url.pathname === "/cut.jpg") {
        // HTTP/1.0's way: it ends with its connection.
        response.useChunkedEncodingByDefault = false;
        response.shouldKeepAlive = false;
        response.end(Buffer.of(0xff, 0xd8, 0xff, 0xe0));
      } else response.writeHead(404).end();
    });
    broken = await startOrigin((_, response, url) =>
      url.pathname.startsWith("/page") ? response.end("<!doctype html><title>Sign in</title>") : response.writeHead(503).end(),
    );
    const url = await createTestDatabase();
    dataDir = await createTestFolder();
    db = connectDatabase({ url, poolMax: 1, onError: () => {} });
    onCleanup(() => db.close());
    // A process without encoders can do it.
    service = await startService({ DATABASE_URL: url, DATA_DIR: dataDir, ROLE: "api", ENCODERS: "2", LOG_LEVEL: "debug" });
  });

  type Body = NonNullable<RequestInit["body"]>;
  const post = (body: Body, contentType = "text/csv", query = "", signal: AbortSignal | null = null) =>
    fetch(`${service.url}/v1/preflight${query}`, { method: "POST", body, headers: { "content-type": contentType }, signal });
  const report = async (sent: Promise<Response>): Promise<Preflight> => {
    const response = await sent;
    const text = await response.text();
    assert.equal(response.status, 200, text);
    assert.equal(response.headers.get("cache-control"), "no-store");
    const body: unknown = JSON.parse(text);
    assert.deepEqual([...Value.Errors(Preflight, body)], []);
    return body as Preflight;
  };
  const refused = async (sent: Promise<Response>): Promise<Problem> => {
    const response = await sent;
    assert.match(response.headers.get("content-type") ?? "", /^application\/problem\+json/);
    return (await response.json()) as Problem;
  };
  const filesLeft = async () =>
    (await readdir(join(dataDir, "uploads"), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);
  const assertNothingStored = async () => {
    for (const table of ["batch", "product", "image", "endpoint", "event", "delivery", "pgboss.job"]) {
      assert.deepEqual((await db.executor.executeSql(`select count(*)::int as n from ${table}`)).rows, [{ n: 0 }], table);
    }
    assert.deepEqual(await filesLeft(), []);
    assert.deepEqual(await readdir(join(dataDir, "uploads", "inputCsvFiles")), []);
  };
  const photo = (name: string | number) => `${origin.url}/photo/${name}.jpg`;

  test("takes no credentials in its URL, which proxies log", async () => {
    for (const option of ["sourceHeaders", "webhookAuthorization"]) {
      const { status, code, detail } = await refused(post("a,b\n", "text/csv", `?${option}=secret`));
      assert.deepEqual([status, code], [422, "invalid_options"], option);
      assert.match(detail, new RegExp(`${option}.+form field or in a JSON body`));
    }
  });

  test("tells what a shop's export is and what is in it", async () => {
    const found = await report(post(await readFile("test/fixtures/dialects/shopify.csv")));
    assert.equal(found.ok, true);
    assert.deepEqual(
      { ...found.file, traps: found.file?.traps.length, columns: { ...found.file?.columns, all: found.file?.columns.all.length } },
      {
        dialect: "shopify",
        encoding: "utf-8",
        hasBom: false,
        delimiter: ",",
        headerLine: 1,
        baseUrl: null,
        traps: 3,
        columns: { all: 57, images: ["Product image URL", "Variant image URL"], name: ["Title"], id: ["URL handle", "SKU"] },
      },
    );
    assert.deepEqual(
      [found.rows, found.rowsWithoutImage, found.products, found.images, found.imagesDistinct, found.imagesInvalid],
      [4, 1, 2, 5, 3, 0],
    );
    assert.deepEqual([found.hosts, found.hostCount], [[{ host: "cdn.shopify.example", images: 5, imagesDistinct: 3 }], 1]);
    assert.deepEqual([found.problems, found.problemCount, found.probe, found.warnings], [[], 0, null, undefined]);

    const amazon = await report(post(await readFile("test/fixtures/dialects/amazon-listings.txt")));
    assert.deepEqual(
      [amazon.file?.encoding, amazon.file?.hasBom, amazon.file?.delimiter, amazon.file?.headerLine],
      ["utf-16le", true, "\t", 6],
    );
  });

  test("takes all that an upload takes, with the options of one", async () => {
    const csv = `Nummer;Bild\nA;/a.jpg\nA;/b.jpg\n`;
    const query = `?baseUrl=${encodeURIComponent("https://shop.example/media")}&imageColumns=Bild&idColumn=Nummer&format=webp&quality=80&width=100&webhookUrl=https://shop.example/hook&metadata=${encodeURIComponent('{"a":1}')}`;
    const form = new FormData();
    form.set("file", new Blob([csv]), "katalog.csv");
    for (const [name, value] of new URLSearchParams(query)) form.set(name, value);
    const multipart = await report(fetch(`${service.url}/v1/preflight`, { method: "POST", body: form }));
    assert.deepEqual(
      [multipart.fileName, multipart.bytes, multipart.products, multipart.images, multipart.file?.baseUrl],
      ["katalog.csv", csv.length, 1, 2, "https://shop.example/media"],
    );
    assert.deepEqual((await report(post(csv, "text/csv", query))).hosts, multipart.hosts);
    const packed = await report(post(gzipSync(csv), "application/gzip", query));
    assert.deepEqual([packed.images, packed.bytes], [2, gzipSync(csv).length]);

    const products = [
      { id: "M", images: [photo(1), photo(2)] },
      { id: "N", images: [photo(1)] },
    ];
    const json = await report(post(JSON.stringify({ products, recipe: { format: "avif" }, metadata: { a: 1 } }), "application/json"));
    const lines = await report(post(products.map((product) => JSON.stringify(product)).join("\n"), "application/x-ndjson"));
    for (const found of [json, lines]) assert.deepEqual([found.file, found.products, found.images, found.imagesDistinct], [null, 2, 3, 2]);
    const fetched = await report(post(JSON.stringify({ csvUrl: `${origin.url}/export.csv` }), "application/json"));
    assert.deepEqual([fetched.fileName, fetched.products, fetched.file?.columns.images], ["export.csv", 1, ["photo"]]);
  });

  test("answers a file that has problems with them, and counts what is in it all the same", async () => {
    const found = await report(
      post(`S. No,Product Name,Input Image Urls\n1,Mug,${photo(1)}\n2,Cup,"nowhere, ${photo(2)}"\n3,Pot,"${photo(3)}",x\n`),
    );
    assert.deepEqual([found.ok, found.rows, found.images, found.imagesInvalid, found.problemCount], [false, 3, 4, 1, 2]);
    assert.deepEqual(
      found.problems.map(({ line, column, code }) => [line, column, code]),
      [
        [3, "Input Image Urls", "url_invalid"],
        [4, null, "row_too_wide"],
      ],
    );
    for (const { message } of found.problems) assert.match(message, /^Expected .+, got .+\.$/);
    const skipping = await report(post("S. No,Product Name,Input Image Urls\n1,Mug,nowhere\n", "text/csv", "?onInvalid=skip"));
    assert.deepEqual([skipping.ok, skipping.imagesInvalid], [true, 1]);

    for (const [csv, code] of [
      ["", "empty_file"],
      ["a,b\n1,2\n", "no_image_column"],
      ['id,photo\n1,"x', "unclosed_quote"],
      [`id,photo\n1,${photo(1)}\0`, "not_csv"],
    ] as const) {
      const { ok, problems, file } = await report(post(Buffer.from(csv)));
      assert.deepEqual([ok, problems[0]?.code, file === null], [false, code, code !== "unclosed_quote"]);
    }
    const products = await report(post(JSON.stringify({ products: [{ id: "M", images: [photo(1)] }, { id: "N" }] }), "application/json"));
    assert.deepEqual([products.ok, products.problems.map(({ line, code }) => [line, code])], [false, [[2, "product_invalid"]]]);
    const many = await report(post(`id,photo\n${"1,nowhere\n".repeat(20_000)}`));
    assert.deepEqual([many.problems.length, many.problemCount, many.rows, many.imagesInvalid], [100, 20_000, 20_000, 20_000]);
  });

  test("refuses what is no file and no option", async () => {
    const good = `id,photo\n1,${photo(1)}\n`;
    const cases: [Promise<Response>, number, string, RegExp][] = [
      [post("%PDF-1.7"), 415, "wrong_file_type", /PDF/],
      [post("GIF89a", "image/gif"), 415, "unsupported_media_type", /text\/csv/],
      [fetch(`${service.url}/v1/preflight`, { method: "POST" }), 422, "file_missing", /file/],
      [
        post(good, "text/csv", "?probe=201&colour=red"),
        422,
        "invalid_options",
        /colour.+baseUrl.+probe; probe: Expected a whole number from 0 to 200, got 201/,
      ],
      [post(good, "text/csv", "?probe=some"), 422, "invalid_options", /probe/],
      [post(good, "text/csv", "?baseUrl=shop"), 422, "invalid_options", /baseUrl/],
      [post(JSON.stringify({ csvUrl: `${origin.url}/gone.csv` }), "application/json"), 422, "csv_url_failed", /404/],
    ];
    for (const [sent, status, code, detail] of cases) {
      const problem = await refused(sent);
      assert.deepEqual([problem.status, problem.code], [status, code], JSON.stringify(problem));
      assert.match(problem.detail, detail);
    }
  });

  test("tries a sample and says what it means for the batch", async () => {
    const good = Array.from({ length: 380 }, (_, index) => [`${photo(index)}?signature=${SECRET}-${index}`]);
    const gone = Array.from({ length: 20 }, (_, index) => [`${origin.url}/gone/${index}.jpg?signature=${SECRET}-${index}`]);
    const elsewhere = [1, 2, 3].map((index) => [`${broken.url}/page/${index}?signature=${SECRET}`]);
    // Large enough to be read in a thread.
    const csv = catalogueOf([...good, ...gone, ...elsewhere, [`${broken.url}/busy?signature=${SECRET}`]]) + "\n".repeat(128 * 1024);
    const hitsBefore = origin.hits.size;
    const found = await report(post(csv, "text/csv", "?probe=200&format=png"));
    const probe = found.probe ?? assert.fail();
    assert.deepEqual([found.ok, found.images, probe.asked, probe.tried, probe.unfinished], [true, 404, 200, 200, 0]);
    assert.ok(origin.hits.size - hitsBefore >= 190, "they were really tried, each once");

    const [first, second] = probe.hosts;
    assert.equal(first?.host, new URL(origin.url).host);
    assert.ok(first.tried >= 196 && first.failed > 0 && first.failed <= 20, JSON.stringify(first));
    assert.deepEqual(first.codes, [{ code: "not_found", images: first.failed, isRetried: false }]);
    assert.ok(
      second && second.host === new URL(broken.url).host && second.tried >= 3 && second.failureShare === 1,
      "a host with few images is tried as well",
    );
    assert.ok(second.codes.some(({ code, isRetried }) => code === "html_page" && !isRetried));

    const expected = probe.forecast ?? assert.fail();
    // 400 images there and 4 here, each weighed by its own host.
    assert.equal(expected.failures.expected, Math.round((400 * first.failed) / first.tried + 4));
    assert.ok(
      expected.failures.low < expected.failures.expected &&
        expected.failures.expected < expected.failures.high &&
        expected.failures.high < 100,
      JSON.stringify(expected),
    );
    const size = (await (await fetch(photo(1))).arrayBuffer()).byteLength;
    const share = (404 - expected.failures.expected) / 404;
    assert.ok(Math.abs(expected.bytes - 404 * share * size) < size, `${expected.bytes}`);
    assert.ok(Math.abs(expected.megapixels - 404 * share * 0.0768) < 0.2, `${expected.megapixels}`);
    assert.deepEqual(expected.assumes, { encoders: 2, downloads: 768, downloadsPerHost: 32, format: "png" });
    assert.equal(expected.seconds, Math.max(expected.fetchSeconds, expected.encodeSeconds));

    const shown = `${JSON.stringify(found)}${service.output.join("\n")}`;
    assert.ok(!shown.includes(SECRET), "no query is shown");
    assert.ok(
      probe.examples.some(({ url, code }) => new RegExp(`^${broken.url}/page/\\d\\?…$`).test(url) && code === "html_page"),
      JSON.stringify(probe.examples),
    );
    await assertNothingStored();
  });

  test("is exact where every image was tried, and tries the good ones of a file that has problems", async () => {
    const found = await report(post(catalogueOf([[photo(1), photo(1)], [`${origin.url}/gone.jpg`], ["nowhere"]]), "text/csv", "?probe=20"));
    const { tried, failed, forecast } = found.probe ?? assert.fail();
    assert.deepEqual([found.ok, tried, failed, forecast?.failures], [false, 2, 1, { expected: 1, low: 1, high: 1, share: 0.5 }]);
    const nothing = await report(post("id,photo\n1,nowhere\n", "text/csv", "?probe=20"));
    assert.deepEqual([nothing.probe?.tried, nothing.probe?.forecast], [0, null]);
  });

  test("says of a damaged file that a batch would try it again where nobody told its end", async () => {
    const { probe } = await report(post(catalogueOf([[`${origin.url}/cut.jpg`]]), "text/csv", "?probe=1"));
    assert.deepEqual(probe?.hosts[0]?.codes, [{ code: "truncated", images: 1, isRetried: true }]);
  });

  test("shows the headers for protected origins to these alone, from a form and from JSON, and to nobody else", async () => {
    const shown: [path: string, authorization: string | undefined][] = [];
    const bytes = Buffer.from(await (await fetch(photo(1))).arrayBuffer());
    const stranger = await startOrigin((request, response) => {
      shown.push(["stranger", request.headers.authorization]);
      response.end(bytes);
    });
    const shop = await startOrigin((request, response, { pathname }) => {
      shown.push([pathname, request.headers.authorization]);
      if (request.headers.authorization !== `Bearer ${SECRET}`) response.writeHead(401).end();
      else if (pathname === "/away.jpg") response.writeHead(302, { location: `${stranger.url}/1.jpg` }).end();
      else response.end(bytes);
    });
    const images = [`${shop.url}/own.jpg`, `${shop.url}/away.jpg`, `${origin.url}/gone.jpg`];
    const sourceHeaders = [{ host: new URL(shop.url).host, headers: { Authorization: `Bearer ${SECRET}` } }];
    const form = new FormData();
    form.set("file", new Blob([catalogueOf([images])]), "export.csv");
    form.set("sourceHeaders", JSON.stringify(sourceHeaders));
    form.set("probe", "10");
    const json = JSON.stringify({ products: [{ id: "M", images }], sourceHeaders, probe: 10 });
    const ways = [() => fetch(`${service.url}/v1/preflight`, { method: "POST", body: form }), () => post(json, "application/json")];
    for (const send of ways) {
      shown.length = 0;
      const found = await report(send());
      assert.deepEqual([found.probe?.tried, found.probe?.examples.map(({ code }) => code)], [3, ["not_found"]]);
      assert.deepEqual(shown.toSorted(), [
        ["/away.jpg", `Bearer ${SECRET}`],
        ["/own.jpg", `Bearer ${SECRET}`],
        ["stranger", undefined],
      ]);
      assert.ok(!`${JSON.stringify(found)}${service.output.join("\n")}`.includes(SECRET), "they are not shown");
    }
    await assertNothingStored();
    const { probe } = await report(post(catalogueOf([images]), "text/csv", "?probe=10"));
    assert.equal(probe?.failed, 3, "without them the origin refuses");
  });

  test("does not reach addresses that a batch may not reach", async () => {
    const { probe } = await report(post(catalogueOf([["http://169.254.169.254/latest/meta-data"]]), "text/csv", "?probe=1"));
    assert.deepEqual(probe?.hosts[0]?.codes, [{ code: "address_blocked", images: 1, isRetried: false }]);
  });

  test("stops trying, and leaves nothing, when the client has gone", async () => {
    const gone = new AbortController();
    const csv = catalogueOf(Array.from({ length: 20 }, (_, index) => [`${origin.url}/hang/${index}.jpg`]));
    const asking = post(csv, "text/csv", "?probe=20", gone.signal);
    await eventually("downloads on their way", async () => hanging.asked === 16);
    gone.abort();
    await assert.rejects(asking, { name: "AbortError" });
    await eventually("the end of the downloads", async () => hanging.closed === 16);
    await eventually("an empty disk", async () => (await filesLeft()).length === 0);
    assert.equal(hanging.asked, 16, "those that waited are not begun");
    await assertNothingStored();
    assert.ok(!service.output.some((line) => /failed unexpectedly/.test(line)), service.output.join("\n"));
  });

  test("leaves a csvUrl alone when the client has gone, and a place to other hosts while one is slow", async () => {
    const before = { ...hanging };
    const gone = new AbortController();
    const body = JSON.stringify({ csvUrl: `${origin.url}/hang/export.csv` });
    const asking = Array.from({ length: 3 }, () => post(body, "application/json", "", gone.signal));
    await eventually("fetches on their way", async () => hanging.asked === before.asked + 2);
    assert.equal((await refused(post(JSON.stringify({ csvUrl: `${broken.url}/page` }), "application/json"))).code, "wrong_file_type");
    gone.abort();
    for (const one of asking) await assert.rejects(one, { name: "AbortError" });
    await eventually("the end of the fetches", async () => hanging.closed === hanging.asked && (await filesLeft()).length === 0);
    const next = await report(post(JSON.stringify({ csvUrl: `${origin.url}/export.csv` }), "application/json"));
    assert.deepEqual([next.products, hanging.closed], [1, hanging.asked]);
    await assertNothingStored();
    assert.ok(!service.output.some((line) => /failed unexpectedly/.test(line)), service.output.join("\n"));
  });

  test("does not hold up others while a large file is read", async () => {
    const rows = Array.from({ length: 200_000 }, (_, index) => `${index},Mug,${photo(index)}`);
    let isRead = false;
    let answered = 0;
    const reading = report(post(["S. No,Product Name,Input Image Urls", ...rows].join("\n"))).finally(() => (isRead = true));
    let longestMs = 0;
    while (!isRead) {
      const startedAt = performance.now();
      assert.equal((await fetch(`${service.url}/healthz`)).status, 200);
      longestMs = Math.max(longestMs, performance.now() - startedAt);
      answered += 1;
    }
    assert.equal((await reading).images, 200_000);
    assert.ok(answered >= 20, `${answered} answers meanwhile, the slowest in ${longestMs} ms`);
    await assertNothingStored();
  });
});
