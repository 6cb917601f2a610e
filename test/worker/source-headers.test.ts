import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Batch, Product } from "../../src/contract/batch.ts";
import type { Problem } from "../../src/contract/problem.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { createHeaderSeal } from "../../src/wire/header-seal.ts";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { createSourceHeaders } from "../../src/worker/image/source-headers.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase, textOfEveryRow } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

const TOKEN = "tok3n-that-nobody-may-see";
const KEY = "one key of at least thirty-two characters";

describe("a batch with headers for its origins", () => {
  let service: Service;
  let databaseUrl: string;
  let db: Database;
  let origin: Origin;
  let dataDir: string;
  /** The paths of which it was said that nothing has changed. */
  const unchanged: string[] = [];

  before(async () => {
    const photo = await makeSamplePhoto({ width: 64, height: 48, seed: 1, format: "jpeg" });
    origin = await startOrigin(({ headers }, response, url) => {
      // As a cache before it may, which looks at who asks only where it has to give something.
      if (headers["if-none-match"] === '"v1"') {
        unchanged.push(url.pathname);
        response.writeHead(304).end();
      } else if (headers.authorization === "Bearer over") response.writeHead(429, { "retry-after": "600" }).end();
      else if (headers.authorization === `Bearer ${TOKEN}`) response.setHeader("etag", '"v1"').end(photo);
      else if (url.pathname === "/sign-in") response.writeHead(302, { location: url.searchParams.get("page") ?? "" }).end();
      else response.writeHead(401).end();
    });
    databaseUrl = await createTestDatabase();
    dataDir = await createTestFolder();
    db = connectDatabase({ url: databaseUrl, poolMax: 1, onError: () => {} });
    onCleanup(() => db.close());
    service = await startService({ DATABASE_URL: databaseUrl, DATA_DIR: dataDir, SECRET_KEY: KEY, LOG_LEVEL: "debug" });
  });

  const headersFor = (url: string) => [{ host: new URL(url).host, headers: { Authorization: `Bearer ${TOKEN}` } }];
  const postJson = async (at: Service, body: object, query = "") => {
    const response = await fetch(`${at.url}/v1/batches${query}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(!text.includes(TOKEN), text);
    return { status: response.status, body: JSON.parse(text) as Batch & Omit<Problem, "status"> };
  };
  const textOf = async (url: string) => (await fetch(url)).text();
  const ended = (batch: Batch) =>
    eventually(`the end of ${batch.batchId}`, async () => {
      const now = JSON.parse(await textOf(batch.links.self)) as Batch;
      return now.finishedAt === null ? null : now;
    });
  const everything = () => textOfEveryRow(db);

  test("gets its images, and its headers stand nowhere in the clear", async () => {
    const products = [{ id: "A", images: [`${origin.url}/a.jpg`, `${origin.url}/b.jpg`] }];
    const { status, body } = await postJson(service, { products, sourceHeaders: headersFor(origin.url) });
    assert.equal(status, 202, JSON.stringify(body));
    assert.deepEqual(body.sourceHosts, [new URL(origin.url).host]);
    const during = await everything();
    assert.equal((await ended(body)).progress.completed, 2);
    for (const text of [
      ...during,
      ...(await everything()),
      ...service.output,
      await textOf(body.links.self),
      await textOf(body.links.products),
      await textOf(body.links.resultsJsonl),
      await textOf(body.links.resultsCsv),
    ]) {
      assert.ok(!text.includes(TOKEN) && !text.includes(Buffer.from(TOKEN).toString("base64").slice(0, -2)), text);
    }
    assert.ok(
      during.some((text) => text.includes("v1.")),
      "the sealed text is there",
    );
  });

  test("takes them as a form field on every route, and only its own batch has them", async () => {
    const csv = catalogueOf([[`${origin.url}/form.jpg`]]);
    const { requestId } = await service.upload(csv, { sourceHeaders: JSON.stringify(headersFor(origin.url)) });
    assert.equal((await service.finished(requestId)).progress.completed, 1);
    const bare = await service.finished((await service.upload(csv)).requestId);
    assert.equal(bare.products[0]?.errors[0]?.code, "unauthorized");
    const again = await service.upload(csv, { sourceHeaders: JSON.stringify(headersFor(origin.url)) });
    assert.equal((await service.finished(again.requestId)).progress.reused, 1);
  });

  test("waits alone where its host asks those who have these headers for patience", async () => {
    const { host } = new URL(origin.url);
    const csv = catalogueOf([[`${origin.url}/over/1.jpg`], [`${origin.url}/over/2.jpg`]]);
    const over = JSON.stringify([{ host, headers: { authorization: "Bearer over" } }]);
    const { requestId } = await service.upload(csv, { sourceHeaders: over });
    const rowsOf = async (sql: string) => (await db.executor.executeSql(sql, [requestId])).rows;
    await eventually("both of its images to wait, and the report to say so", async () => {
      const [backlog] = await rowsOf("select images_host_paused from report.backlog where batch_id = $1");
      return backlog?.["images_host_paused"] === 2;
    });
    const others = await service.finished((await service.upload(csv, { sourceHeaders: JSON.stringify(headersFor(origin.url)) })).requestId);
    assert.equal(others.progress.completed, 2);
    const bare = await service.finished((await service.upload(csv)).requestId);
    assert.equal(bare.products[0]?.errors[0]?.code, "unauthorized");
    assert.ok((origin.hits.get("/over/1.jpg") ?? 0) <= 3, "it is not asked in its pause");
    await fetch(`${service.url}/v1/batches/${requestId}/cancel`, { method: "POST" });
    await service.finished(requestId);
  });

  test("asks whether a file has changed by the headers that it came by, and by no others", async () => {
    const csv = catalogueOf([[`${origin.url}/mine.jpg`]]);
    const [mine] = headersFor(origin.url);
    const elsewhere = { host: "a.example", headers: { "x-b": "1", "X-A": "2" } };
    const finish = async (...sourceHeaders: object[]) =>
      service.finished((await service.upload(csv, { sourceHeaders: JSON.stringify(sourceHeaders) })).requestId);
    assert.equal((await finish({ ...mine }, elsewhere)).progress.reused, 0);
    // A cache before the origin says 304 to whoever asks.
    const stranger = await finish({ ...mine, headers: { authorization: "Bearer another" } }, elsewhere);
    assert.equal(stranger.products[0]?.errors[0]?.code, "unauthorized");
    const swapped = await finish({ host: "A.example:443", headers: { "x-a": "2", "X-B": "1" } }, { ...mine });
    assert.deepEqual([swapped.progress.completed, swapped.progress.reused], [1, 1]);
    assert.deepEqual(
      unchanged.filter((path) => path === "/mine.jpg"),
      ["/mine.jpg"],
    );
  });

  test("is refused where they are not good, or come in a URL", async () => {
    const products = [{ id: "A", images: [`${origin.url}/a.jpg`] }];
    const [host] = headersFor(origin.url);
    for (const sourceHeaders of [
      [{ ...host, headers: { host: TOKEN } }],
      [{ ...host, headers: { authorization: `${TOKEN}\r\nx: y` } }],
      [{ ...host, host: "https://shop.example" }],
      [],
      {},
      TOKEN,
      [{ host: TOKEN }],
      [{ ...host, [TOKEN.slice(0, 3)]: TOKEN }],
    ]) {
      const { status, body } = await postJson(service, { products, sourceHeaders });
      assert.deepEqual([status, body.code], [422, "invalid_options"], JSON.stringify(sourceHeaders));
    }
    const { status, body } = await postJson(
      service,
      { products },
      `?sourceHeaders=${encodeURIComponent(JSON.stringify(headersFor(origin.url)))}`,
    );
    assert.deepEqual([status, body.code], [422, "invalid_options"]);
    assert.match(body.detail ?? "", /form field or in a JSON body/);
  });

  test("is refused with the way out where the service has no key", async () => {
    const keyless = await startService({ DATABASE_URL: databaseUrl, DATA_DIR: dataDir, ROLE: "api" });
    const { status, body } = await postJson(keyless, {
      products: [{ id: "A", images: [`${origin.url}/a.jpg`] }],
      sourceHeaders: headersFor(origin.url),
    });
    assert.deepEqual([status, body.code], [422, "invalid_options"]);
    assert.match(body.detail ?? "", /SECRET_KEY.*openssl/);
    await keyless.kill("SIGTERM");
  });

  test("fails with a reason where the key is another one, which the log tells at the start", async () => {
    const gate = Promise.withResolvers<void>();
    const slow = await startOrigin((_, response) => void gate.promise.then(() => response.writeHead(404).end()));
    await postJson(service, { products: [{ id: "A", images: [`${slow.url}/a.jpg`] }], sourceHeaders: headersFor(slow.url) });
    const stranger = await startService({ DATABASE_URL: databaseUrl, DATA_DIR: dataDir, ROLE: "api", SECRET_KEY: `${KEY}!` });
    assert.match(stranger.output.join("\n"), /"batches":1,"msg":"the credentials of unfinished batches were encrypted with another/);
    gate.resolve();
    const { body } = await postJson(stranger, {
      products: [{ id: "A", images: [`${origin.url}/other-key.jpg`] }],
      sourceHeaders: headersFor(origin.url),
    });
    const other = await startOrigin((_, response, { pathname }) => {
      const through = `${origin.url}/sign-in?page=${encodeURIComponent(`${other.url}/photo/sign-in.jpg`)}`;
      response.writeHead(302, { location: pathname === "/through.jpg" ? through : `${origin.url}/photo/for-strangers.jpg` }).end();
    });
    const { body: mixed } = await postJson(stranger, {
      products: [{ id: "A", images: ["/photo/free.jpg", "/moved.jpg", "/through.jpg"].map((path) => other.url + path) }],
      sourceHeaders: headersFor(origin.url),
    });
    await stranger.kill("SIGTERM");
    const ours = (of: typeof body) => ({
      ...of,
      links: {
        ...of.links,
        self: `${service.url}/v1/batches/${of.batchId}`,
        products: `${service.url}/v1/batches/${of.batchId}/products`,
      },
    });
    const batch = ours(body);
    assert.equal((await ended(batch)).outcome, "none");
    const { products } = JSON.parse(await textOf(batch.links.products)) as { products: Product[] };
    assert.equal(products[0]?.images[0]?.error?.code, "unauthorized");
    assert.match(products[0]?.images[0]?.error?.message ?? "", /another SECRET_KEY/);
    assert.equal(origin.hits.get("/other-key.jpg"), undefined);

    // What comes from other hosts needs none of them, unless a redirect leads to a host that they are for.
    const ofOthers = ours(mixed);
    assert.equal((await ended(ofOthers)).progress.completed, 1);
    const [product] = (JSON.parse(await textOf(ofOthers.links.products)) as { products: Product[] }).products;
    assert.deepEqual(
      product?.images.map(({ error }) => error?.code),
      [undefined, "unauthorized", "unauthorized"],
    );
    for (const path of ["/photo/for-strangers.jpg", "/sign-in"]) assert.equal(origin.hits.get(path), undefined, path);
    assert.match(product?.images[1]?.error?.message ?? "", /another SECRET_KEY/);
  });
});

test("headers are read and opened once for a batch; a database that is away is asked again", async () => {
  const seal = createHeaderSeal(KEY);
  const given = [{ host: "shop.example", headers: { authorization: "Bearer x" } }];
  let asked = 0;
  const headers = createSourceHeaders({
    open: seal.open,
    find: async (batchId) => {
      asked += 1;
      if (asked === 1) throw new Error("away");
      return seal.seal(given, batchId).sealed;
    },
  });
  await assert.rejects(headers("one"), /away/);
  for (let index = 0; index < 100; index += 1) assert.deepEqual(await headers("one"), { ok: true, value: given });
  assert.equal(asked, 2);
  assert.equal(seal.open(seal.seal(given, "one").sealed, "two"), null);
});

test("a service with a database of its own makes its own key", { timeout: 60_000 }, async () => {
  const dataDir = await createTestFolder();
  const service = await startService({ DATA_DIR: dataDir });
  const origin = await startOrigin(({ headers }, response) => response.writeHead(headers["x-key"] === "k" ? 404 : 401).end());
  const { requestId } = await service.upload(catalogueOf([[`${origin.url}/a.jpg`]]), {
    sourceHeaders: JSON.stringify([{ host: new URL(origin.url).host, headers: { "x-key": "k" } }]),
  });
  assert.equal((await service.finished(requestId)).products[0]?.errors[0]?.code, "not_found");
  await service.kill("SIGTERM");
});
