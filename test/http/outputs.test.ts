import assert from "node:assert/strict";
import { rename, rm, truncate, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { basename, join } from "node:path";
import { before, describe, test } from "node:test";
import type { Problem } from "../../src/contract/problem.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

describe("outputs", () => {
  let service: Service;
  let imageUrl: string;
  let csvUrl: string;
  let whole: Buffer;
  let stored: string;

  before(async () => {
    const origin = await startOrigin();
    const dataDir = await createTestFolder();
    service = await startService({ DATABASE_URL: await createTestDatabase(), DATA_DIR: dataDir });
    const { requestId, outputCsvUrl } = await service.upload(catalogueOf([[`${origin.url}/photo/1.jpg`]]));
    const status = await service.finished(requestId);
    imageUrl = status.products[0]?.outputImageUrls[0] ?? "";
    csvUrl = outputCsvUrl;
    stored = join(dataDir, "uploads", "outputImages", requestId, "00000", "1-1.jpg");
    whole = Buffer.from(await (await fetch(imageUrl)).arrayBuffer());
  });

  const get = (url: string, headers: Record<string, string> = {}, method = "GET") => fetch(url, { headers, method });

  test("an image has its type, length, ETag and cache headers, and cannot be taken for a page", async () => {
    const { status, headers } = await get(imageUrl);
    assert.equal(status, 200);
    assert.equal(headers.get("content-type"), "image/jpeg");
    assert.equal(headers.get("content-length"), String(whole.length));
    assert.match(headers.get("etag") ?? "", /^"[^"]+"$/);
    assert.equal(headers.get("cache-control"), "public, max-age=31536000, immutable");
    assert.equal(headers.get("accept-ranges"), "bytes");
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'/);
    assert.match(imageUrl, /\/outputs\/[A-Za-z0-9_-]{22}\/1-1\.jpg$/);
  });

  test("the result CSV is an attachment with a tag that follows its content", async () => {
    const { status, headers } = await get(csvUrl);
    assert.equal(status, 200);
    assert.equal(headers.get("content-type"), "text/csv; charset=utf-8");
    assert.match(headers.get("content-disposition") ?? "", /^attachment; filename="results\.csv"$/);
    assert.equal(headers.get("cache-control"), "private, no-cache");
    assert.equal((await get(csvUrl, { "if-none-match": headers.get("etag") ?? "" })).status, 304);
  });

  test("HEAD gives the headers alone", async () => {
    for (const url of [imageUrl, csvUrl]) {
      const response = await get(url, {}, "HEAD");
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-length"), (await get(url)).headers.get("content-length"));
      assert.equal((await response.arrayBuffer()).byteLength, 0);
    }
  });

  test("a copy that is fresh is not sent again", async () => {
    const { headers } = await get(imageUrl);
    const etag = headers.get("etag") ?? "";
    for (const given of [
      { "if-none-match": etag },
      { "if-none-match": `"other", W/${etag}` },
      { "if-none-match": "*" },
      { "if-modified-since": headers.get("last-modified") ?? "" },
    ]) {
      const response = await get(imageUrl, given);
      assert.equal(response.status, 304, JSON.stringify(given));
      assert.equal((await response.arrayBuffer()).byteLength, 0);
    }
    for (const given of [{ "if-none-match": '"other"' }, { "if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT" }])
      assert.equal((await get(imageUrl, given)).status, 200);
  });

  test("a file that is not the one that was asked for is not sent, nor a part of it", async () => {
    const { headers } = await get(imageUrl);
    const etag = headers.get("etag") ?? "";
    const modified = headers.get("last-modified") ?? "";
    const [before, later] = ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"];
    for (const given of [{ "if-match": '"other"' }, { "if-match": `W/${etag}` }, { "if-unmodified-since": before }])
      for (const url of [imageUrl, csvUrl]) {
        const response = await get(url, { range: "bytes=0-9", ...given });
        assert.deepEqual([response.status, ((await response.json()) as Problem).code], [412, "precondition_failed"], JSON.stringify(given));
        assert.equal(response.headers.get("content-disposition"), null, "a browser would keep it under the file's name");
      }
    for (const given of [
      { "if-match": etag },
      { "if-match": `"other", ${etag}`, "if-unmodified-since": before },
      { "if-match": "*" },
      { "if-unmodified-since": modified },
      { "if-unmodified-since": later },
      { "if-unmodified-since": "some day" },
      { "if-unmodified-since": "0" },
    ])
      assert.equal((await get(imageUrl, { range: "bytes=0-9", ...given })).status, 206, JSON.stringify(given));
    assert.equal((await get(imageUrl, { "if-match": etag, "if-none-match": etag })).status, 304);
  });

  test("a range is that part of the file, an impossible one a 416", async () => {
    const cases: [string, number, Buffer][] = [
      ["bytes=0-9", 206, whole.subarray(0, 10)],
      ["bytes=10-", 206, whole.subarray(10)],
      ["bytes=-7", 206, whole.subarray(-7)],
      [`bytes=0-${whole.length + 99}`, 206, whole],
      ["bytes=0-1,5-6", 200, whole],
      ["bytes=9-3", 200, whole],
      ["pages=1", 200, whole],
    ];
    for (const [range, status, body] of cases) {
      const response = await get(imageUrl, { range });
      assert.equal(response.status, status, range);
      assert.ok(Buffer.from(await response.arrayBuffer()).equals(body), range);
    }
    assert.equal((await get(imageUrl, { range: "bytes=0-9" })).headers.get("content-range"), `bytes 0-9/${whole.length}`);
    for (const range of [`bytes=${whole.length}-`, "bytes=-0"]) {
      const response = await get(imageUrl, { range });
      assert.equal(response.status, 416);
      assert.equal(response.headers.get("content-range"), `bytes */${whole.length}`);
    }
    const { headers } = await get(imageUrl);
    assert.equal((await get(imageUrl, { range: "bytes=0-9", "if-range": headers.get("etag") ?? "" })).status, 206);
    assert.equal((await get(imageUrl, { range: "bytes=0-9", "if-range": '"older"' })).status, 200);
  });

  test("a file that is not whole, or gone, is told as lost to whoever asks, and kept by no cache", async () => {
    for (const lose of [() => truncate(stored, 0), () => truncate(stored, 100), () => rm(stored)]) {
      await lose();
      for (const [method, headers] of [
        ["GET", {}],
        ["HEAD", {}],
        ["GET", { range: "bytes=0-9" }],
      ] as const) {
        const response = await get(imageUrl, headers, method);
        assert.equal(response.status, 404);
        assert.equal(response.headers.get("cache-control"), "no-store");
        assert.equal(response.headers.get("etag"), null);
        if (method === "GET") assert.equal(((await response.json()) as Problem).code, "output_lost");
      }
    }
    await writeFile(stored, whole);
    assert.equal((await get(imageUrl)).status, 200, "it is there again once it was restored");
    const told = service.output.filter((line) => line.includes("an output is lost"));
    assert.equal(told.length, 1, told.join());
    assert.match(told[0] ?? "", /expected 1-1\.jpg of \d+ bytes, got 0"/);
  });

  test("a result CSV that is gone is made of the rows again, for whoever asks", async () => {
    const kept = join(stored, "..", "..", "..", "..", "outputCsvFiles", basename(join(stored, "..", "..")));
    const before = await (await get(csvUrl)).text();
    await rename(kept, `${kept}-away`);
    try {
      for (const [method, headers, body] of [
        ["GET", {}, before],
        ["HEAD", {}, ""],
        ["GET", { range: "bytes=9-" }, before],
      ] as const) {
        const response = await get(csvUrl, headers, method);
        assert.equal(response.status, 200);
        assert.equal(response.headers.get("content-type"), "text/csv; charset=utf-8");
        assert.equal(response.headers.get("content-disposition"), 'attachment; filename="results.csv"');
        assert.equal(await response.text(), body);
      }
    } finally {
      await rename(`${kept}-away`, kept);
    }
  });

  test("where somebody removed the folder of a batch that runs, what comes after is stored all the same", async () => {
    const gate = Promise.withResolvers<void>();
    const gated = await startOrigin(async (_, response, url) => {
      if (url.pathname === "/second.jpg") await gate.promise;
      response.setHeader("content-type", "image/jpeg").end(whole);
    });
    const { requestId } = await service.upload(catalogueOf([["first", "second"].map((name) => `${gated.url}/${name}.jpg`)]));
    await eventually("the first image", async () => (await service.status(requestId)).progress.completed === 1);
    await rm(join(stored, "..", "..", "..", requestId), { recursive: true });
    gate.resolve();
    const { progress, products } = await service.finished(requestId);
    assert.deepEqual([progress.completed, progress.failed], [2, 0]);
    assert.equal((await get(products[0]?.outputImageUrls[1] ?? "")).status, 200);
  });

  test("no path can be walked and no URL guessed", async () => {
    const base = imageUrl.slice(0, imageUrl.lastIndexOf("/"));
    const token = base.slice(base.lastIndexOf("/") + 1);
    const paths = [
      `/outputs/${token}/../../../../../etc/passwd`,
      `/outputs/${token}/..%2f..%2f..%2fetc%2fpasswd`,
      `/outputs/${token}/%2e%2e/%2e%2e/x`,
      `/outputs/${token}/..%5c..%5cx`,
      `/outputs/${token}/1-1.jpg%00.png`,
      `/outputs/${token}/2-1.jpg`,
      `/outputs/${token}/`,
      `/outputs/${token.slice(0, -1)}${token.endsWith("A") ? "Q" : "A"}/1-1.jpg`,
      `/outputs/${token.toUpperCase()}/1-1.jpg`,
      `/outputs/${"A".repeat(22)}/results.csv`,
      `/outputs//1-1.jpg`,
      `/outputs/%/1-1.jpg`,
      `/outputs/${token}/${"a".repeat(5_000)}`,
      `/outputs/'%20or%201=1--/1-1.jpg`,
    ];
    for (const path of paths) {
      const status = await rawStatus(path);
      assert.ok(status === 404 || status === 400 || status === 414, `${path} was answered ${status}`);
    }
    assert.equal(await rawStatus(new URL(imageUrl).pathname), 200);
  });

  /** As it stands: fetch would tidy the path up. */
  const rawStatus = (path: string) =>
    new Promise<number>((resolve, reject) => {
      httpRequest({ host: "127.0.0.1", port: new URL(service.url).port, path }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
        .on("error", reject)
        .end();
    });

  test("a shape that there is not is told of those that there are", async () => {
    const response = await get(`${csvUrl}?shape=zip`);
    const { code, detail } = (await response.json()) as Problem;
    assert.deepEqual([response.status, code], [400, "bad_request"]);
    assert.match(detail, /shape .+: append, import$/);
  });

  test("a result that is not there yet says so", async () => {
    const slow = await startOrigin((_, response) => void setTimeout(() => response.writeHead(404).end(), 500));
    const { outputCsvUrl, requestId } = await service.upload(catalogueOf([[`${slow.url}/slow.jpg`]]));
    const early = await get(outputCsvUrl);
    assert.equal(early.status, 404);
    assert.equal(((await early.json()) as { code: string }).code, "result_not_ready");
    await service.finished(requestId);
    assert.equal((await get(outputCsvUrl)).status, 200);
  });
});
