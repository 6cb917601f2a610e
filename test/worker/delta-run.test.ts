import assert from "node:assert/strict";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, before, beforeEach, describe, test } from "node:test";
import type { AcceptedBatch, Batch, Product } from "../../src/contract/batch.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startOrigin, type Handler, type Origin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

describe("a catalogue that comes again", () => {
  let service: Service;
  let db: Database;
  let origin: Origin;
  let dataDir: string;
  const photos: Buffer[] = [];
  /** What the origin knows of each path. */
  const files = new Map<string, { photo: Buffer; etag?: string; lastModified?: string }>();
  const redirects = new Map<string, string>();
  /** Gone once the origin has said that nothing changed. */
  const vanishing = new Set<string>();
  /** What an origin does to each request that has a condition; by its path, and else by itself. */
  const toConditions = new Map<string, { status: number | "reset"; etag?: string; "last-modified"?: string; body?: string }>();
  const answers: string[] = [];

  before(async () => {
    for (const seed of [1, 2]) photos.push(await makeSamplePhoto({ width: 200, height: 150, seed, format: "jpeg" }));
    origin = await startOrigin(answer);
    dataDir = await createTestFolder();
    const databaseUrl = await createTestDatabase();
    db = connectDatabase({ url: databaseUrl, poolMax: 1, onError: () => {} });
    onCleanup(() => db.close());
    service = await startService({ DATABASE_URL: databaseUrl, DATA_DIR: dataDir });
  });

  const answer: Handler = (request, response, url) => {
    const target = redirects.get(url.pathname);
    if (target !== undefined) return void response.writeHead(302, { location: target }).end();
    const file = files.get(url.pathname);
    if (!file) return void response.writeHead(404).end();
    if (file.etag !== undefined) response.setHeader("etag", file.etag);
    if (file.lastModified !== undefined) response.setHeader("last-modified", file.lastModified);
    const isFresh =
      (file.etag !== undefined && request.headers["if-none-match"] === file.etag) ||
      (file.etag === undefined &&
        file.lastModified !== undefined &&
        Date.parse(request.headers["if-modified-since"] ?? "") >= Date.parse(file.lastModified));
    const hasCondition = "if-none-match" in request.headers || "if-modified-since" in request.headers;
    const own = hasCondition ? (toConditions.get(url.pathname) ?? toConditions.get(request.headers.host ?? "")) : undefined;
    answers.push(`${url.pathname} ${own?.status ?? (isFresh ? 304 : 200)}`);
    if (own) {
      const { status, body, ...headers } = own;
      if (status === "reset") return void request.socket.destroy();
      for (const name of ["etag", "last-modified"]) response.removeHeader(name);
      return void response.writeHead(status, headers).end(body);
    }
    if (isFresh && vanishing.delete(url.pathname)) files.delete(url.pathname);
    if (isFresh) response.writeHead(304).end();
    else response.setHeader("content-type", "image/jpeg").end(file.photo);
  };

  beforeEach(() => {
    answers.length = 0;
    toConditions.clear();
    const [photo = Buffer.alloc(0)] = photos;
    files.clear();
    files.set("/tag.jpg", { photo, etag: '"v1"' });
    files.set("/date.jpg", { photo, lastModified: "Mon, 02 Nov 2026 10:00:00 GMT" });
    files.set("/bare.jpg", { photo });
  });

  afterEach(async () => {
    const left = await readdir(join(dataDir, "uploads", "temp"), { recursive: true, withFileTypes: true });
    assert.deepEqual(
      left.filter((entry) => entry.isFile()).map(({ name }) => name),
      [],
    );
  });

  const run = async (body: object, paths = [...files.keys()]): Promise<{ batch: Batch; products: Product[] }> => {
    const images = paths.map((path) => new URL(path, origin.url).href);
    const response = await fetch(`${service.url}/v1/batches`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ products: images.map((image, index) => ({ id: `p${index}`, images: [image] })), ...body }),
    });
    assert.equal(response.status, 202, await response.clone().text());
    const accepted = (await response.json()) as AcceptedBatch;
    const batch = await eventually("the end", async () => {
      const now = (await (await fetch(accepted.links.self)).json()) as Batch;
      return now.finishedAt === null ? null : now;
    });
    return { batch, products: ((await (await fetch(batch.links.products)).json()) as { products: Product[] }).products };
  };
  const rowsOf = async (sql: string, ...values: unknown[]) => (await db.executor.executeSql(sql, values)).rows;
  const attemptsOf = ({ batchId }: Batch) => rowsOf("select code from image_attempt where batch_id = $1", batchId);
  const filesOf = async (kind: "inputImages" | "outputImages", { batchId }: Batch) => {
    const folder = join(dataDir, "uploads", kind, batchId, "00000");
    return Promise.all((await readdir(folder)).toSorted().map(async (name) => ({ name, inode: (await stat(join(folder, name))).ino })));
  };

  test("is linked where its origins say that nothing changed, or send the same bytes", async () => {
    const recipe = { quality: 41 };
    const first = await run({ recipe });
    assert.deepEqual([first.batch.progress.completed, first.batch.progress.reused], [3, 0]);
    answers.length = 0;
    const second = await run({ recipe });
    assert.deepEqual([second.batch.progress.completed, second.batch.progress.reused], [3, 3]);
    assert.deepEqual(answers.toSorted(), ["/bare.jpg 200", "/date.jpg 304", "/tag.jpg 304"]);
    assert.deepEqual(second.batch.bytes, first.batch.bytes);
    const outputsIn = ({ products }: typeof first) => products.flatMap(({ images }) => images.flatMap(({ outputs }) => outputs));
    const shapeOf = (ran: typeof first) => outputsIn(ran).map(({ url: _, encodeMs: __, ...output }) => output);
    assert.deepEqual(shapeOf(second), shapeOf(first));
    assert.ok(outputsIn(first).every(({ encodeMs }) => encodeMs !== null));
    assert.ok(
      outputsIn(second).every(({ encodeMs }) => encodeMs === null),
      "nothing was encoded",
    );
    assert.deepEqual(
      await filesOf("outputImages", second.batch),
      await filesOf("outputImages", first.batch),
      "the same files under a second name",
    );
    assert.deepEqual(
      (await filesOf("inputImages", second.batch)).map(({ name }) => name),
      ["0.jpg", "1.jpg", "2.jpg"],
    );
    for (const {
      images: [image],
    } of second.products)
      assert.equal((await fetch(image?.outputs[0]?.url ?? "")).headers.get("content-type"), "image/jpeg");

    // Each batch owns its files: without the first, the second is whole, and serves the third.
    await rm(join(dataDir, "uploads", "outputImages", first.batch.batchId), { recursive: true });
    assert.equal((await run({ recipe })).batch.progress.reused, 3);
  });

  test("is downloaded again where its links are signed anew, asked for by no tag or date, and linked where the bytes are the same", async () => {
    const recipe = { quality: 54 };
    redirects.set("/moved.jpg", "/tag.jpg");
    const signedBy = (signature: string) =>
      ["/tag.jpg", "/date.jpg", "/moved.jpg"].map((path) => `${path}?Expires=1793491200&Signature=${signature}&Key-Pair-Id=K`);
    const first = await run({ recipe }, signedBy("monday"));
    answers.length = 0;
    const second = await run({ recipe }, signedBy("tuesday"));
    assert.deepEqual([second.batch.progress.completed, second.batch.progress.reused], [3, 3]);
    assert.deepEqual(answers.toSorted(), ["/date.jpg 200", "/tag.jpg 200", "/tag.jpg 200"]);
    assert.deepEqual(second.batch.bytes, first.batch.bytes);
    assert.deepEqual(await filesOf("outputImages", second.batch), await filesOf("outputImages", first.batch));

    answers.length = 0;
    assert.equal((await run({ recipe }, signedBy("tuesday"))).batch.progress.reused, 3);
    assert.deepEqual(answers.toSorted(), ["/date.jpg 304", "/tag.jpg 304", "/tag.jpg 304"], "the very link that is known");

    const [, other = Buffer.alloc(0)] = photos;
    files.set("/tag.jpg", { photo: other, etag: '"v1"' });
    const changed = await run({ recipe }, signedBy("wednesday"));
    assert.deepEqual([changed.batch.progress.completed, changed.batch.progress.reused], [3, 1]);
    const inodesOf = async ({ batch }: typeof first) => (await filesOf("outputImages", batch)).map(({ inode }) => inode);
    const [was, now] = [await inodesOf(first), await inodesOf(changed)];
    assert.deepEqual(
      now.map((inode) => was.includes(inode)),
      [false, true, false],
    );
  });

  test("asks each file that a redirect leads to by that file's own date", async () => {
    const [photo = Buffer.alloc(0), other = Buffer.alloc(0)] = photos;
    const reusedBy = async (target: string) => {
      redirects.set("/mirror.jpg", target);
      return (await run({ recipe: { quality: 43 } }, ["/mirror.jpg"])).batch.progress.reused;
    };
    files.set("/b.jpg", { photo, lastModified: "Mon, 02 Nov 2026 10:00:00 GMT" });
    files.set("/c.jpg", { photo, lastModified: "Fri, 20 Nov 2026 10:00:00 GMT" });
    assert.deepEqual([await reusedBy("/b.jpg"), await reusedBy("/c.jpg")], [0, 1]);
    // Changed since it was last asked, and still older than the other.
    files.set("/b.jpg", { photo: other, lastModified: "Tue, 10 Nov 2026 10:00:00 GMT" });
    assert.equal(await reusedBy("/b.jpg"), 0);
  });

  test("is made anew where the origin has something else, or the recipe is another", async () => {
    const recipe = { quality: 42 };
    await run({ recipe });
    const [, other = Buffer.alloc(0)] = photos;
    files.set("/tag.jpg", { photo: other, etag: '"v2"' });
    files.set("/bare.jpg", { photo: other });
    const changed = await run({ recipe });
    assert.deepEqual([changed.batch.progress.completed, changed.batch.progress.reused], [3, 1]);
    assert.equal((await run({ recipe })).batch.progress.reused, 3, "the newest counts");
    assert.equal((await run({ recipe: { quality: 43 } })).batch.progress.reused, 0);
  });

  test("is fetched without a condition where its origin does not understand one", async () => {
    const recipe = { quality: 48 };
    const [photo = Buffer.alloc(0)] = photos;
    files.set("/unquoted.jpg", { photo, etag: "v1" });
    await run({ recipe });
    toConditions.set("/tag.jpg", { status: 412 });
    toConditions.set("/unquoted.jpg", { status: 400 });
    answers.length = 0;
    const { batch } = await run({ recipe }, ["/tag.jpg", "/unquoted.jpg"]);
    assert.deepEqual([batch.progress.failed, batch.progress.reused], [0, 2]);
    assert.deepEqual(answers.toSorted(), ["/tag.jpg 200", "/tag.jpg 412", "/unquoted.jpg 200", "/unquoted.jpg 400"]);
    for (const status of [401, 403, 404]) {
      toConditions.set("/tag.jpg", { status });
      answers.length = 0;
      const { progress } = (await run({ recipe }, ["/tag.jpg"])).batch;
      assert.deepEqual([progress.failed, progress.reused], [0, 1]);
      assert.deepEqual(answers, [`/tag.jpg ${status}`, "/tag.jpg 200"]);
    }
  });

  test("is fetched without a condition in the same attempt where its origin fails over one, or sends nothing of use", async () => {
    const recipe = { quality: 50 };
    const page = "<!doctype html><title>Blocked</title>";
    const lastModified = "Mon, 02 Nov 2026 10:00:00 GMT";
    for (const path of ["/500.jpg", "/reset.jpg", "/empty.jpg", "/page.jpg"])
      files.set(path, { photo: photos[0] ?? Buffer.alloc(0), lastModified });
    // An origin of its own, as it is remembered of one that conditions fail there.
    const own = await startOrigin(answer);
    const images = ["/500.jpg", "/reset.jpg", "/empty.jpg", "/page.jpg"].map((path) => own.url + path);
    await run({ recipe }, images);
    toConditions.set("/500.jpg", { status: 500 });
    toConditions.set("/reset.jpg", { status: "reset" });
    toConditions.set("/empty.jpg", { status: 200 });
    toConditions.set("/page.jpg", { status: 200, body: page });
    answers.length = 0;
    const { batch } = await run({ recipe }, images);
    assert.deepEqual([batch.progress.failed, batch.progress.reused], [0, 4]);
    const twice = (path: string, status: string) => [`${path} ${status}`, `${path} 200`];
    const expected = [
      ...twice("/500.jpg", "500"),
      ...twice("/reset.jpg", "reset"),
      ...twice("/empty.jpg", "200"),
      ...twice("/page.jpg", "200"),
    ];
    // What comes over a connection that had been used, and ends it, is asked for once more in any case.
    assert.deepEqual([...new Set(answers)].toSorted(), [...new Set(expected)].toSorted());
    assert.equal(answers.filter((line) => line.endsWith(" 200")).length, 6);
    assert.deepEqual(await attemptsOf(batch), []);
  });

  for (const [status, quality] of [
    [500, 52],
    ["reset", 53],
  ] as const)
    test(`an origin that fails over conditions (${status}) costs no attempt and is not paused, and is soon asked without them`, async () => {
      const recipe = { quality };
      const paths = Array.from({ length: 60 }, (_, index) => `/${status}-${index}.jpg`);
      for (const [index, path] of paths.entries()) files.set(path, { photo: photos[index % 2] ?? Buffer.alloc(0), etag: `"${path}"` });
      const { url } = await startOrigin(answer);
      const images = paths.map((path) => url + path);
      await run({ recipe }, images);
      toConditions.set(new URL(url).host, { status });
      answers.length = 0;
      const { batch } = await run({ recipe }, images);
      assert.deepEqual([batch.progress.failed, batch.progress.reused], [0, 60]);
      assert.deepEqual([await attemptsOf(batch), await rowsOf("select host from host_pause")], [[], []]);
      const came = () => answers.filter((line) => line.endsWith(" 200")).length;
      assert.equal(came(), 60);
      answers.length = 0;
      assert.equal((await run({ recipe }, images)).batch.progress.reused, 60);
      assert.deepEqual([came(), answers.length], [60, 60]);
    });

  test("is fetched anew where its origin names another tag than it was asked for, however it is unchanged", async () => {
    const recipe = { quality: 49 };
    const [photo = Buffer.alloc(0), other = Buffer.alloc(0)] = photos;
    files.set("/weak.jpg", { photo, etag: 'W/"v1"' });
    files.set("/any.jpg", { photo, etag: "*" });
    const paths = ["/tag.jpg", "/weak.jpg", "/any.jpg"];
    await run({ recipe }, paths);
    for (const path of ["/tag.jpg", "/any.jpg"]) files.set(path, { photo: other, etag: path === "/any.jpg" ? "*" : '"v2"' });
    toConditions.set("/tag.jpg", { status: 304, etag: '"v2"' });
    toConditions.set("/weak.jpg", { status: 304, etag: '"v1"' });
    toConditions.set("/any.jpg", { status: 304 });
    answers.length = 0;
    const { batch } = await run({ recipe }, paths);
    assert.deepEqual(answers.toSorted(), ["/any.jpg 200", "/tag.jpg 200", "/tag.jpg 304", "/weak.jpg 304"]);
    assert.deepEqual([batch.progress.completed, batch.progress.reused], [3, 1]);
  });

  test("is fetched anew where its origin names another date than that of the earlier file, such as an older one", async () => {
    const recipe = { quality: 51 };
    const [photo = Buffer.alloc(0), other = Buffer.alloc(0)] = photos;
    const lastModified = "Mon, 02 Nov 2026 10:00:00 GMT";
    files.set("/same.jpg", { photo, lastModified });
    files.set("/both.jpg", { photo, lastModified, etag: '"v1"' });
    const paths = ["/date.jpg", "/same.jpg", "/both.jpg", "/tag.jpg"];
    await run({ recipe }, paths);
    const older = "Tue, 14 Nov 2023 22:13:20 GMT";
    files.set("/date.jpg", { photo: other, lastModified: older });
    toConditions.set("/date.jpg", { status: 304, "last-modified": older });
    // The same second, as RFC 850 writes it; and what has a tag goes by that.
    toConditions.set("/same.jpg", { status: 304, "last-modified": "Monday, 02-Nov-26 10:00:00 GMT" });
    toConditions.set("/both.jpg", { status: 304, etag: '"v1"', "last-modified": older });
    toConditions.set("/tag.jpg", { status: 304, "last-modified": older });
    answers.length = 0;
    const { batch } = await run({ recipe }, paths);
    assert.deepEqual(answers.toSorted(), ["/both.jpg 304", "/date.jpg 200", "/date.jpg 304", "/same.jpg 304", "/tag.jpg 304"]);
    assert.deepEqual([batch.progress.completed, batch.progress.reused], [4, 3]);
  });

  test("is made anew where the upload says so, and is known all the same", async () => {
    const recipe = { quality: 44 };
    await run({ recipe });
    answers.length = 0;
    const again = await run({ recipe, refresh: "always" });
    assert.equal(again.batch.progress.reused, 0);
    assert.ok(
      answers.every((answer) => answer.endsWith(" 200")),
      answers.join(),
    );
    assert.equal((await run({ recipe })).batch.progress.reused, 3);
  });

  test("is fetched as new where the earlier files are gone", async () => {
    const recipe = { quality: 45 };
    const first = await run({ recipe });
    await rm(join(dataDir, "uploads", "outputImages", first.batch.batchId), { recursive: true });
    const second = await run({ recipe });
    assert.deepEqual([second.batch.progress.completed, second.batch.progress.reused], [3, 0]);
    assert.equal((await filesOf("outputImages", second.batch)).length, 3);
  });

  test("leaves no file where one of the earlier files is gone, and so is what its origin had", async () => {
    const recipe = { quality: 47, outputs: [{ name: "large" }, { name: "thumb", width: 50 }] };
    const first = await run({ recipe }, ["/tag.jpg"]);
    const [large, thumb] = (await filesOf("outputImages", first.batch)).map(({ name }) => name);
    assert.match(`${large} ${thumb}`, /-large\.jpg .*-thumb\.jpg$/);
    await rm(join(dataDir, "uploads", "outputImages", first.batch.batchId, "00000", thumb ?? ""));
    vanishing.add("/tag.jpg");
    const second = await run({ recipe }, ["/tag.jpg"]);
    assert.equal(second.products[0]?.images[0]?.error?.code, "not_found");
    const left = join(dataDir, "uploads", "outputImages", second.batch.batchId, "00000");
    await eventually("the link to go", async () => (await readdir(left)).length === 0);
  });

  test("an image that failed is tried again", async () => {
    const recipe = { quality: 46 };
    files.set("/broken.jpg", { photo: Buffer.from("not an image"), etag: '"broken"' });
    assert.equal((await run({ recipe })).batch.progress.failed, 1);
    assert.deepEqual(
      [(await run({ recipe })).batch.progress].map(({ reused, failed }) => [reused, failed]),
      [[3, 1]],
    );
  });
});
