import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import type { Batch, Product } from "../../src/contract/batch.ts";
import type { Problem } from "../../src/contract/problem.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { cpuMsOf } from "../support/processes.ts";
import { startService, type Service } from "../support/service.ts";
import { answerBadly, BAD_CSV_URLS } from "./hostile/bad-csv-urls.ts";
import { BAD_FORMS } from "./hostile/bad-forms.ts";
import { BAD_OPTIONS } from "./hostile/bad-options.ts";
import { BAD_JSON, BAD_LINES } from "./hostile/bad-products.ts";
import { BAD_TABLES } from "./hostile/bad-tables.ts";
import { BAD_TEXT } from "./hostile/bad-text.ts";
import { BAD_URLS } from "./hostile/bad-urls.ts";
import type { HostileCase, Sent } from "./hostile/hostile-case.ts";
import { ODD_FILES, ODD_PRODUCTS } from "./hostile/odd-but-good.ts";
import { OTHER_FILES } from "./hostile/other-files.ts";

const CASES: HostileCase[] = [
  ...OTHER_FILES,
  ...BAD_TEXT,
  ...BAD_TABLES,
  ...BAD_URLS,
  ...BAD_OPTIONS,
  ...BAD_FORMS,
  ...BAD_JSON,
  ...BAD_LINES,
  ...BAD_CSV_URLS,
];
const UPLOAD_BYTES_MAX = 32 * 1024 * 1024;
const ANSWER_MS = 1_000;
const HEALTH_MS = 100;
const TABLES = ["batch", "product", "image", "endpoint", "event", "pgboss.job"];

describe("a hostile upload", () => {
  let service: Service;
  let origin: Origin;
  let db: Database;
  let dataDir: string;

  before(async () => {
    dataDir = await createTestFolder();
    origin = await startOrigin(answerBadly);
    const url = await createTestDatabase();
    db = connectDatabase({ url, poolMax: 2, onError: () => {} });
    onCleanup(() => db.close());
    service = await startService({ DATABASE_URL: url, DATA_DIR: dataDir, UPLOAD_BYTES_MAX: String(UPLOAD_BYTES_MAX) });
  });

  const send = ({ body, type, query = "", path = "/v1/batches", headers = {} }: Sent) =>
    fetch(`${service.url}${path}${query}`, {
      method: "POST",
      signal: AbortSignal.timeout(10 * ANSWER_MS),
      body: Buffer.isBuffer(body) ? new Uint8Array(body) : body,
      headers: { ...headers, ...(type === undefined ? {} : { "content-type": type }) },
    });
  /** Judged by the clock, or by the CPU that the service took where the machine was busy with something else. */
  const sendInTime = async (sent: Sent): Promise<{ response: Response; text: string }> => {
    const start = { ms: performance.now(), cpuMs: cpuMsOf(service.pid) };
    const response = await send(sent);
    const text = await response.text();
    const ms = Math.min(performance.now() - start.ms, cpuMsOf(service.pid) - start.cpuMs);
    assert.ok(ms < ANSWER_MS, `the answer took ${Math.round(ms)} ms`);
    return { response, text };
  };
  const filesLeft = async () =>
    (await readdir(join(dataDir, "uploads"), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);
  const rowsLeft = async () =>
    (
      await db.executor.executeSql(TABLES.map((table) => `select '${table}' as name, count(*)::int as n from ${table}`).join(" union all "))
    ).rows.filter(({ n }) => n !== 0);
  const demandNothingLeft = async () => {
    assert.deepEqual(await rowsLeft(), []);
    assert.deepEqual(await filesLeft(), []);
    assert.deepEqual(await readdir(join(dataDir, "uploads", "inputCsvFiles")), []);
  };
  const demandAwake = async (triesLeft = 5): Promise<void> => {
    const start = performance.now();
    assert.equal((await fetch(`${service.url}/healthz`)).status, 200);
    const ms = performance.now() - start;
    if (ms >= HEALTH_MS && triesLeft > 0) return demandAwake(triesLeft - 1);
    assert.ok(ms < HEALTH_MS, `/healthz took ${Math.round(ms)} ms`);
  };
  const bytesOf = async (url: string) => {
    const response = await fetch(url);
    assert.equal(response.status, 200);
    return Buffer.from(await response.arrayBuffer());
  };
  const productsOf = async (batch: Batch) => (JSON.parse(String(await bytesOf(batch.links.products))) as { products: Product[] }).products;
  /** As text: a parsed `__proto__` would be compared as if it were not there. */
  const metadataOf = async (batch: Batch) => /"metadata":(.*?),"recipe":/.exec(String(await bytesOf(batch.links.self)))?.[1];

  test("is one of more than a hundred, each with a name of its own", () => {
    assert.ok(CASES.length > 100);
    assert.equal(new Set(CASES.map(({ name }) => name)).size, CASES.length);
  });

  for (const { name, make, ...expected } of CASES) {
    test(`is refused: ${name}`, async () => {
      const { response, text } = await sendInTime(make(origin.url));
      const problem = JSON.parse(text) as Problem;
      assert.deepEqual(
        [response.status, problem.status, problem.code],
        [expected.status, expected.status, expected.code],
        text.slice(0, 2_000),
      );
      assert.match(response.headers.get("content-type") ?? "", /^application\/problem\+json/);
      if (expected.first !== undefined) assert.deepEqual(placeOf(problem.errors?.[0]), expected.first, text.slice(0, 2_000));
      assert.match([problem.detail, ...(problem.errors ?? []).map(({ message }) => message)].join("\n"), expected.says);
      assert.ok(text.length < 100_000, `the answer has ${text.length} characters`);
      assert.doesNotMatch(text, /node_modules|\.ts:\d/);
      await demandNothingLeft();
      await demandAwake();
    });
  }

  for (const odd of [...ODD_FILES, ...ODD_PRODUCTS]) {
    test(`only seems to be one, and is taken: ${odd.name}`, async () => {
      const image = `${origin.url}/gone.jpg`;
      const { response, text } = await sendInTime(odd.make(image));
      assert.equal(response.status, 202, text);
      const batch = JSON.parse(text) as Batch;
      if (odd.fileName !== undefined) assert.equal(batch.fileName, odd.fileName);
      if (odd.metadata !== undefined) assert.equal(await metadataOf(batch), odd.metadata);
      if (odd.products)
        assert.deepEqual(
          (await productsOf(batch)).map(({ id, name }) => [id, name]),
          odd.products,
        );
      if (odd.isElsewhere) return;
      await service.finished(batch.batchId);
      if (odd.comesBack)
        assert.ok(
          Buffer.from(odd.comesBack(image)).equals(await bytesOf(`${batch.links.resultsCsv}?shape=import`)),
          "the file has changed",
        );
      await demandAwake();
    });
  }

  test("leaves a service that takes the next good file, and has nothing to report", async () => {
    const accepted = await service.upload(catalogueOf([[`${origin.url}/photo/1.jpg`]]));
    assert.equal((await service.finished(accepted.requestId)).outcome, "all");
    assert.deepEqual(
      service.output.filter((line) => /failed unexpectedly|level":[56]0/.test(line)),
      [],
    );
  });
});

function placeOf(error: NonNullable<Problem["errors"]>[number] | undefined): HostileCase["first"] {
  if (error === undefined) return undefined;
  return "field" in error ? error.field : [error.line, error.column, error.code];
}
