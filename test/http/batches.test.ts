import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { AcceptedBatch, Batch, Product } from "../../src/contract/batch.ts";
import type { Problem } from "../../src/contract/problem.ts";
import { PRESETS } from "../../src/domain/image/recipe.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startOrigin, type Origin } from "../support/origin.ts";
import { startReceiver } from "../support/receiver.ts";
import { startService, type Service } from "../support/service.ts";

const run = promisify(execFile);

describe("/v1/batches", () => {
  let service: Service;
  let origin: Origin;
  let db: Database;
  before(async () => {
    origin = await startOrigin((_, response, url) => {
      if (url.pathname === "/export.csv") response.setHeader("content-type", "text/csv").end(`sku,photo\nC-1,${origin.url}/photo/c1.jpg\n`);
      else if (url.pathname === "/packed.csv")
        response
          .writeHead(200, { "content-type": "text/csv", "content-encoding": "gzip" })
          .end(gzipSync(`sku,photo\nP-1,${origin.url}/photo/p1.jpg\nP-2,${origin.url}/photo/p2.jpg\n`));
      else if (url.pathname === "/to-the-end") answerToTheEnd(response, url.searchParams.get("body") ?? "");
      else if (url.pathname === "/export.html") response.end("<!doctype html><title>Sign in</title>");
      else response.writeHead(404).end();
    });
    const url = await createTestDatabase();
    db = connectDatabase({ url, poolMax: 1, onError: () => {} });
    onCleanup(() => db.close());
    service = await startService({ DATABASE_URL: url, DATA_DIR: await createTestFolder() });
  });

  const post = (body: NonNullable<RequestInit["body"]>, contentType?: string, query = "") =>
    fetch(`${service.url}/v1/batches${query}`, {
      method: "POST",
      body,
      ...(contentType === undefined ? {} : { headers: { "content-type": contentType } }),
    });
  const postJson = (body: unknown) => post(JSON.stringify(body), "application/json");
  const accepted = async (sent: Promise<Response>): Promise<AcceptedBatch> => {
    const response = await sent;
    assert.equal(response.status, 202, await response.clone().text());
    return (await response.json()) as AcceptedBatch;
  };
  const refused = async (sent: Promise<Response>): Promise<Problem> => {
    const response = await sent;
    assert.match(response.headers.get("content-type") ?? "", /^application\/problem\+json/);
    return (await response.json()) as Problem;
  };
  const ended = (batch: Batch) =>
    eventually(`the end of ${batch.batchId}`, async () => {
      const now = (await (await fetch(batch.links.self)).json()) as Batch;
      return now.finishedAt === null ? null : now;
    });
  const productsOf = async (batch: Batch, query = "") =>
    (await (await fetch(`${batch.links.products}${query}`)).json()) as { products: Product[]; nextCursor: string | null };
  const text = async (url: string) => {
    const response = await fetch(url);
    assert.equal(response.status, 200, url);
    return response.text();
  };
  const photo = (name: string) => `${origin.url}/photo/${name}.jpg`;

  test("takes any shop's file and gives it back in every shape", async () => {
    const csv = `Handle,Title,Image Src,Variant Image\r\nmug,"Mug, blue",${photo("mug")},\r\nmug,,${origin.url}/gone.jpg,${photo("mug-v")}\r\ncup,Cup,,\r\n`;
    const form = new FormData();
    form.set("file", new Blob([csv]), "products_export.csv");
    form.set("metadata", JSON.stringify({ import: 42 }));
    const receiver = await startReceiver();
    form.set("webhookUrl", receiver.url);
    const batch = await accepted(post(form));
    assert.deepEqual(
      [batch.status, batch.dialect, batch.fileName, batch.metadata, batch.products, batch.progress.total],
      ["pending", "shopify-old", "products_export.csv", { import: 42 }, 3, 3],
    );
    assert.deepEqual(
      batch.warnings?.map(({ code }) => code),
      ["outputs_not_public"],
    );

    assert.equal((await ended(batch)).outcome, "some");
    const { products } = await productsOf(batch);
    assert.deepEqual(
      products.map(({ id, name, status }) => [id, name, status]),
      [
        ["mug", "Mug, blue", "completed"],
        ["mug", "Mug, blue", "partial"],
        ["cup", "Cup", "no_image"],
      ],
    );
    const [mug, gone, variant] = products.flatMap(({ images }) => images);
    assert.match(mug?.outputs[0]?.url ?? "", /\/mug-1\.jpg$/);
    assert.match(variant?.outputs[0]?.url ?? "", /\/mug-3\.jpg$/);
    assert.equal(gone?.error?.code, "not_found");

    const imported = csv.replace(photo("mug"), mug?.outputs[0]?.url ?? "").replace(photo("mug-v"), variant?.outputs[0]?.url ?? "");
    assert.equal(await text(`${batch.links.resultsCsv}?shape=import`), imported);
    const appended = (await text(batch.links.resultsCsv)).split("\r\n");
    assert.equal(appended[0], "Handle,Title,Image Src,Variant Image,Output Image Urls,Status,Errors");
    assert.equal(
      appended[2],
      `mug,,${origin.url}/gone.jpg,${photo("mug-v")},",${variant?.outputs[0]?.url}",partial,1: not_found: The server answered with status 404.`,
    );
    assert.equal(appended[3], "cup,Cup,,,,no_image,");
    assert.equal(
      await text(batch.links.failuresCsv),
      csv
        .split("\r\n")
        .filter((_, index) => index === 0 || index === 2)
        .join("\r\n") + "\r\n",
    );
    const lines = (await text(batch.links.resultsJsonl))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Product);
    assert.deepEqual(lines, products);

    const event = JSON.parse((await eventually("the event", async () => receiver.deliveries[0])).body) as {
      data: { fileName: string; metadata: object };
    };
    assert.deepEqual([event.data.fileName, event.data.metadata], ["products_export.csv", { import: 42 }]);
    const rows = await db.executor.executeSql("select csv_file_name, metadata from batch where batch_id = $1", [batch.batchId]);
    assert.deepEqual(rows.rows, [{ csv_file_name: "products_export.csv", metadata: { import: 42 } }]);
    const status = await service.status(batch.batchId);
    assert.deepEqual([status.fileName, status.metadata], ["products_export.csv", { import: 42 }]);
  });

  test("gives all outputs as one ZIP under readable names", async () => {
    const batch = await accepted(
      postJson({
        products: [
          { id: "MUG/1", images: [photo("z1"), photo("z2")] },
          { id: "Köpfe", images: [photo("z3")] },
        ],
      }),
    );
    await ended(batch);
    const response = await fetch(batch.links.archive);
    assert.equal(response.headers.get("content-type"), "application/zip");
    const path = join(await createTestFolder(), "archive.zip");
    await writeFile(path, Buffer.from(await response.arrayBuffer()));
    // Another program than the one that wrote it: Python's zipfile checks every CRC.
    const script =
      "import sys,zipfile;z=zipfile.ZipFile(sys.argv[1]);print(z.testzip());print('\\n'.join(i.filename+' '+z.read(i)[:3].hex() for i in z.infolist()))";
    assert.equal((await run("python3", ["-c", script, path])).stdout, "None\nMUG-1-1.jpg ffd8ff\nMUG-1-2.jpg ffd8ff\nKopfe-1.jpg ffd8ff\n");
  });

  test("takes products as JSON, with recipe and metadata", async () => {
    const batch = await accepted(
      postJson({
        products: [
          { id: 7, name: 'A "mug",\nblue', images: [`//${new URL(origin.url).host}/photo/j1.jpg`, photo("j, 2")] },
          { name: "No pictures", images: [] },
        ],
        recipe: { format: "webp", quality: 70, width: 100 },
        metadata: { a: [1] },
        fileName: "from our ERP",
        onInvalid: "skip",
      }),
    );
    assert.deepEqual(
      [batch.recipe, batch.fileName, batch.dialect],
      [{ ...PRESETS.balanced, format: "webp", quality: 70, width: 100 }, "from our ERP", null],
    );
    await ended(batch);
    const { products } = await productsOf(batch);
    assert.deepEqual(
      products.map(({ line, id, name, status }) => [line, id, name, status]),
      [
        [1, "7", 'A "mug",\nblue', "partial"],
        [2, "2", "No pictures", "no_image"],
      ],
    );
    const [first, second] = products[0]?.images ?? [];
    // https, which the origin does not speak: what is fetched is shown beside what came.
    assert.deepEqual([first?.fetchedUrl, first?.urlRules], [`https://${new URL(origin.url).host}/photo/j1.jpg`, ["scheme_added"]]);
    assert.deepEqual([second?.url, second?.fetchedUrl, second?.urlRules], [photo("j, 2"), photo("j,%202"), ["spaces_encoded"]]);
    assert.deepEqual([second?.outputs[0]?.format, second?.outputs[0]?.width], ["webp", 100]);
    assert.match(await text(batch.links.resultsCsv), /^id,name,images,Output Image Urls,Status,Errors\n7,"A ""mug"",\nblue",/);
  });

  test("makes several outputs of each image, one of which stands for it", async () => {
    const batch = await accepted(
      postJson({
        products: [{ id: "o", images: [photo("o1"), `${origin.url}/gone.jpg`, photo("o1")] }],
        recipe: { format: "jpeg", outputs: [{ name: "wide" }, { name: "w50", width: 50, format: "webp" }] },
      }),
    );
    await ended(batch);
    const { products } = await productsOf(batch);
    const [first, gone, again] = products[0]?.images ?? [];
    assert.deepEqual(
      first?.outputs.map(({ name, fileName, format, width }) => [name, fileName, format, width]),
      [
        ["wide", "o-1-wide.jpg", "jpeg", 320],
        ["w50", "o-1-w50.webp", "webp", 50],
      ],
    );
    assert.deepEqual([gone?.outputs, again?.outputs], [[], first?.outputs]);
    const [large, thumb] = first?.outputs.map(({ url }) => url) ?? [];
    assert.equal((await fetch(thumb ?? "")).headers.get("content-type"), "image/webp");
    assert.equal(
      await text(batch.links.resultsCsv),
      `id,name,images,Output Image Urls,Output Image Urls (w50),Status,Errors\no,,"${[photo("o1"), `${origin.url}/gone.jpg`, photo("o1")].join("\n")}","${large},,${large}","${thumb},,${thumb}",partial,2: not_found: The server answered with status 404.\n`,
    );
    assert.deepEqual((await service.status(batch.batchId)).products[0]?.outputImageUrls, [large, null, large]);
  });

  test("says of each output what it was compressed with and how long that took, where it was compressed at all", async () => {
    const outputs = [
      { name: "half", quality: 50 },
      { name: "input", quality: 100 },
      { name: "whole", format: "png", quality: 100 },
      { name: "few", format: "png", quality: 90 },
    ];
    const body = { products: [{ id: "q", images: [photo("q1"), photo("q1")] }], recipe: { format: "jpeg", outputs } };
    const batch = await accepted(postJson(body));
    await ended(batch);
    const { products } = await productsOf(batch);
    const [first, again] = products[0]?.images ?? [];
    assert.deepEqual(
      first?.outputs.map(({ name, isKept, quality }) => [name, isKept, quality]),
      [
        ["half", false, 50],
        ["input", true, null],
        ["whole", false, null],
        ["few", false, 90],
      ],
    );
    for (const { name, encodeMs } of first?.outputs ?? []) assert.ok(encodeMs !== null && encodeMs >= 0 && encodeMs < 60_000, name);
    assert.deepEqual(again?.outputs, first?.outputs, "a repeat shows its first one's");
    assert.deepEqual(JSON.parse(await text(batch.links.resultsJsonl)), products[0]);
  });

  test("makes of each option what the preset does not say, on every way in", async () => {
    const csv = `id,photo\n1,${photo("r")}\n`;
    assert.deepEqual((await accepted(post(csv, "text/csv"))).recipe, PRESETS.balanced);
    assert.deepEqual((await accepted(post(csv, "text/csv", "?preset=small&metadata=icc&quality=60"))).recipe, {
      ...PRESETS.small,
      metadata: "icc",
      quality: 60,
    });
    const form = new FormData();
    form.set("file", new Blob([csv]));
    form.append("metadata", "copyright");
    form.append("metadata", '{"own":true}');
    form.set("outputs", '[{"name":"thumb","width":10}]');
    const { recipe, metadata } = await accepted(post(form));
    assert.deepEqual(
      [recipe, metadata],
      [{ ...PRESETS.balanced, metadata: "copyright", outputs: [{ name: "thumb", width: 10 }] }, { own: true }],
    );
    const bad = await refused(
      postJson({
        products: [{ id: "b", images: [] }],
        recipe: { format: "bmp", quality: 0, background: "red", effort: "much", preset: "huge", outputs: [{ name: "A1" }] },
      }),
    );
    assert.deepEqual((bad.errors as { field: string }[]).map(({ field }) => field).toSorted(), [
      "background",
      "effort",
      "format",
      "outputs/0/name",
      "preset",
      "quality",
    ]);
  });

  test("takes products line by line, and names each line that is none", async () => {
    const lines = Array.from({ length: 300 }, (_, index) => JSON.stringify({ id: `N-${index}`, images: [photo("same")] }));
    const batch = await accepted(post(`${lines.join("\n")}\n`, "application/x-ndjson", "?format=webp"));
    assert.deepEqual([batch.products, batch.recipe.format], [300, "webp"]);
    assert.equal((await ended(batch)).progress.completed, 300);

    const problem = await refused(
      post(
        `${lines[0]}\n{"id":\n{"id":"x","images":"https://a.example"}\n[]\n{"id":"y","images":[],"colour":"red"}\n{"images":[]}\n{"id":"z","images":["a\\nb"]}\n{"id":"\\ud800","images":[]}\n`,
        "application/x-ndjson",
      ),
    );
    assert.equal(problem.code, "invalid_products");
    assert.deepEqual(
      (problem.errors as { line: number; code: string }[]).map(({ line, code }) => [line, code]),
      [2, 3, 4, 5, 6, 7, 8].map((line) => [line, "product_invalid"]),
    );
    const bad = await refused(post(`${lines[0]}\n{"id":"b","images":["nowhere"]}\n`, "application/x-ndjson"));
    assert.deepEqual(
      (bad.errors as { line: number; code: string }[]).map(({ line, code }) => [line, code]),
      [[2, "url_invalid"]],
    );
  });

  test("fetches the CSV that a URL names, and says why not", async () => {
    const batch = await accepted(postJson({ csvUrl: `${origin.url}/export.csv`, metadata: { from: "url" } }));
    assert.deepEqual([batch.fileName, batch.products, batch.metadata], ["export.csv", 1, { from: "url" }]);
    assert.equal((await ended(batch)).outcome, "all");
    assert.equal((await accepted(postJson({ csvUrl: `${origin.url}/packed.csv` }))).products, 2);
    const cases: [string, number, string, RegExp][] = [
      [`${origin.url}/missing.csv`, 422, "csv_url_failed", /not_found.+404/],
      ["http://169.254.169.254/latest", 422, "csv_url_failed", /address_blocked/],
      ["file:///etc/passwd", 422, "csv_url_failed", /url_invalid/],
      [`${origin.url}/export.html`, 415, "wrong_file_type", /web page/],
    ];
    for (const [csvUrl, status, code, detail] of cases) {
      const problem = await refused(postJson({ csvUrl }));
      assert.deepEqual([problem.status, problem.code], [status, code], csvUrl);
      assert.match(problem.detail, detail);
    }
  });

  test("takes no file that may have lost its last rows with its connection", async () => {
    const rows = `sku,photo\nC-1,${origin.url}/photo/c1.jpg\nC-2,${origin.url}/photo/c2.jpg`;
    const at = (body: string | Buffer) => `${origin.url}/to-the-end?body=${Buffer.from(body).toString("base64url")}`;
    for (const body of [rows, Buffer.from(`\ufeff${rows}`, "utf16le"), rows.slice(0, -4)]) {
      const problem = await refused(postJson({ csvUrl: at(body) }));
      assert.deepEqual([problem.status, problem.code], [422, "csv_url_failed"]);
      assert.match(problem.detail, /truncated.+do not end with a line.+Content-Length/);
    }
    const packed = await refused(postJson({ csvUrl: at(gzipSync(rows).subarray(0, -9)) }));
    assert.deepEqual([packed.code, (packed.errors as { code: string }[])[0]?.code], ["invalid_csv", "damaged_gzip"]);
    for (const body of [`${rows}\n`, `${rows}\r`, Buffer.from(`\ufeff${rows}\r\n`, "utf16le"), gzipSync(rows)])
      assert.equal((await accepted(postJson({ csvUrl: at(body) }))).products, 2);
  });

  test("reads the columns that the caller names, in a file of nobody's", async () => {
    const csv = `Nr;Bild "A", groß;Text;B\n9;${photo("n1")};https://shop.example/page;x/n2.jpg\n`;
    const form = new FormData();
    form.set("file", new Blob([csv]), "eigene.csv");
    form.append("imageColumns", 'Bild "A", groß');
    form.append("imageColumns", "B");
    for (const [name, value] of Object.entries({ idColumn: "Nr", nameColumn: "Text", baseUrl: `${origin.url}/photo` }))
      form.set(name, value);
    const batch = await accepted(post(form));
    await ended(batch);
    const { products } = await productsOf(batch);
    assert.deepEqual(
      products.map(({ id, name, images }) => [id, name, images.map(({ fetchedUrl, urlRules }) => [fetchedUrl, urlRules])]),
      [
        [
          "9",
          "https://shop.example/page",
          [
            [photo("n1"), []],
            [photo("x/n2"), ["base_joined"]],
          ],
        ],
      ],
    );
    const problem = await refused(post(csv, "text/csv", "?imageColumns=Foto,B"));
    assert.deepEqual(
      (problem.errors as { column: string; code: string }[]).map(({ column, code }) => [column, code]),
      [["Foto", "column_not_found"]],
    );
  });

  test("points out signed links that end soon", async () => {
    const at = (ms: number) => Math.floor((Date.now() + ms) / 1_000);
    const signed = (name: string, ms: number) => `${photo(name)}?Expires=${at(ms)}&Signature=s&Key-Pair-Id=K`;
    const batch = await accepted(
      postJson({
        products: [
          { id: "a", images: [signed("s1", -60_000), signed("s2", 3_600_000)] },
          { id: "b", images: [signed("s3", 1_800_000), signed("s4", 7 * 86_400_000)] },
        ],
      }),
    );
    assert.deepEqual(
      batch.warnings?.map(({ code, line, images }) => [code, line, images]),
      [
        ["links_expired", 1, 1],
        ["links_expire_soon", 1, 2],
        ["outputs_not_public", undefined, undefined],
      ],
    );
  });

  test("lists batches, the newest first, page by page", async () => {
    const made: string[] = [];
    for (const index of [1, 2, 3])
      made.unshift((await accepted(postJson({ products: [{ id: `l${index}`, images: [photo("l")] }] }))).batchId);
    const first = (await (await fetch(`${service.url}/v1/batches?limit=2`)).json()) as { batches: Batch[]; nextCursor: string };
    const second = (await (await fetch(`${service.url}/v1/batches?limit=1&cursor=${first.nextCursor}`)).json()) as { batches: Batch[] };
    assert.deepEqual(
      [...first.batches, ...second.batches].map(({ batchId }) => batchId),
      made,
    );
    assert.equal((await fetch(`${service.url}/v1/batches?cursor=xyz`)).status, 400);
    assert.equal((await fetch(`${service.url}/v1/batches/019abc12-3456-7def-8123-456789abcdef`)).status, 404);
  });

  test("pages through products", async () => {
    const batch = await accepted(
      postJson({ products: Array.from({ length: 5 }, (_, index) => ({ id: `p${index}`, images: [photo("p")] })) }),
    );
    const ids: string[] = [];
    for (let query: string | null = "?limit=2"; query !== null;) {
      const page = await productsOf(batch, query);
      ids.push(...page.products.map(({ id }) => id));
      query = page.nextCursor === null ? null : `?limit=2&cursor=${page.nextCursor}`;
    }
    assert.deepEqual(ids, ["p0", "p1", "p2", "p3", "p4"]);
  });

  test("results are not there before the end, and not for a stranger", async () => {
    const slow = await startOrigin((_, response) => void setTimeout(() => response.writeHead(404).end(), 1_500));
    const batch = await accepted(postJson({ products: [{ id: "slow", images: [`${slow.url}/never.jpg`] }] }));
    for (const url of [
      batch.links.resultsCsv,
      `${batch.links.resultsCsv}?shape=import`,
      batch.links.failuresCsv,
      batch.links.resultsJsonl,
      batch.links.archive,
    ]) {
      assert.equal((await refused(fetch(url))).code, "result_not_ready", url);
      assert.equal((await refused(fetch(url.replace(/outputs\/[^/]+/, "outputs/AAAAAAAAAAAAAAAAAAAAAA")))).code, "output_not_found", url);
    }
    assert.equal((await fetch(`${batch.links.resultsCsv}?shape=upside-down`)).status, 400);
  });
});

/** As HTTP/1.0 does it: nothing but the end of the connection says where the body ends. */
function answerToTheEnd(response: ServerResponse, body: string): void {
  response.shouldKeepAlive = response.useChunkedEncodingByDefault = false;
  response.write(Buffer.from(body, "base64url"));
  response.end();
}
