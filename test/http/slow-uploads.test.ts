import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { Agent, request as httpRequest } from "node:http";
import { json } from "node:stream/consumers";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import type { Problem } from "../../src/contract/problem.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";
import { openSlowClient } from "./hostile/slow-client.ts";

const UPLOAD_MS = 1_000;
/** As src/http/read-off.ts has it. */
const LINGER_MS = 5_000;
const SLACK_MS = 1_500;
const FILE = '--edge\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\nS. No,Product Name,Input Image Urls\n1,';
const FORM = "multipart/form-data; boundary=edge";

/** How an upload begins, and with what it goes on. */
const BEGINNINGS: { name: string; path: string; type: string; begin: string; more: string; spools: boolean }[] = [
  {
    name: "a CSV",
    path: "/uploadAndProcessDocument",
    type: "text/csv",
    begin: "S. No,Product Name,Input Image Urls\n1,",
    more: "M",
    spools: true,
  },
  { name: "a form's file", path: "/v1/batches", type: FORM, begin: FILE, more: "M", spools: true },
  { name: "JSON", path: "/v1/batches", type: "application/json", begin: '{"products":[', more: " ", spools: false },
  { name: "NDJSON", path: "/v1/batches", type: "application/x-ndjson", begin: '{"id":"A","images":[]}\n', more: " ", spools: true },
];
const FRAME = {
  name: "a form that never comes to its file",
  path: "/v1/batches",
  type: FORM,
  begin: '--edge\r\ncontent-disposition: form-data; name="quality"\r\n\r\n',
  more: "5",
};

let service: Service;
let origin: Origin;
let db: Database;
let dataDir: string;
const tempFiles = async () =>
  (await readdir(join(dataDir, "uploads", "temp"), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());

const open = ({ path, type, begin }: { path: string; type: string; begin: string }) => {
  const client = openSlowClient(service.url, path, type);
  if (begin !== "") client.send(begin);
  return client;
};

describe("an upload that does not end", { concurrency: true, timeout: 60_000 }, () => {
  before(async () => {
    dataDir = await createTestFolder();
    origin = await startOrigin((_, response) => {
      const sending = setInterval(() => response.write("S. No,"), 50);
      response.on("close", () => clearInterval(sending));
    });
    const url = await createTestDatabase();
    db = connectDatabase({ url, poolMax: 2, onError: () => {} });
    onCleanup(() => db.close());
    service = await startService({
      DATABASE_URL: url,
      DATA_DIR: dataDir,
      UPLOAD_SECONDS_MAX: String(UPLOAD_MS / 1_000),
      UPLOAD_BYTES_MAX: "100000",
    });
  });

  for (const beginning of BEGINNINGS) {
    test(`but trickles is answered at its deadline: ${beginning.name}`, async () => {
      const client = open(beginning);
      client.trickle(beginning.more);
      const { status, body, afterMs } = await client.answer;
      const problem = JSON.parse(body) as Problem;
      assert.deepEqual([status, problem.code], [408, "request_timeout"]);
      assert.match(problem.detail, /UPLOAD_SECONDS_MAX/);
      assert.ok(afterMs >= UPLOAD_MS - 50 && afterMs < UPLOAD_MS + SLACK_MS, `answered after ${Math.round(afterMs)} ms`);
      assert.ok((await client.ended) < UPLOAD_MS + LINGER_MS + SLACK_MS);
    });
  }

  test("but stands still is answered at its deadline", async () => {
    const client = open({ ...FRAME, begin: FILE });
    assert.equal((await client.answer).status, 408);
  });

  test(`is cut off where nobody can answer: ${FRAME.name}`, async () => {
    const client = open(FRAME);
    client.trickle(FRAME.more);
    assert.ok((await client.ended) < UPLOAD_MS + LINGER_MS + SLACK_MS);
  });

  test("is answered at once where it is refused, and cut off where it goes on all the same", async () => {
    const client = open({ path: "/v1/batches", type: "text/csv", begin: "x".repeat(150_000) });
    client.trickle("x".repeat(1_000));
    const { status, afterMs } = await client.answer;
    assert.equal(status, 413);
    assert.ok(afterMs < SLACK_MS, `answered after ${Math.round(afterMs)} ms`);
    const endedMs = await client.ended;
    assert.ok(endedMs > LINGER_MS - 50 && endedMs < LINGER_MS + SLACK_MS, `ended after ${Math.round(endedMs)} ms`);
  });

  test("to a csvUrl that trickles is refused at its deadline", async () => {
    const start = performance.now();
    const response = await fetch(`${service.url}/v1/batches`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ csvUrl: `${origin.url}/slow.csv` }),
    });
    const problem = (await response.json()) as Problem;
    assert.deepEqual([response.status, problem.code], [422, "csv_url_failed"]);
    assert.match(problem.detail, /timed_out.+1000 ms/);
    assert.ok(performance.now() - start < UPLOAD_MS + SLACK_MS);
  });

  for (const beginning of [...BEGINNINGS, { ...FRAME, spools: false }, { ...FRAME, name: "headers alone", begin: "", spools: false }]) {
    test(`because its client hangs up is forgotten: ${beginning.name}`, async () => {
      const client = open(beginning);
      if (beginning.spools) await eventually("a spool file", async () => (await tempFiles()).length > 0);
      client.hangUp();
      await client.ended;
    });
  }

  for (const [name, path, type, body, code] of [
    ["a body over the cap", "/v1/batches", "text/csv", "x".repeat(150_000), "upload_too_large"],
    ["a form over the cap", "/v1/batches", FORM, `${FILE}${"x".repeat(150_000)}\r\n--edge--\r\n`, "upload_too_large"],
    ["JSON over the cap", "/v1/batches", "application/json", " ".repeat(4_500_000), "upload_too_large"],
    ["a line over the cap", "/v1/batches", "application/x-ndjson", "x".repeat(150_000), "upload_too_large"],
    [
      "a file in another field",
      "/v1/batches",
      FORM,
      `${FILE.replace('"file"', '"csv"')}${"x".repeat(90_000)}\r\n--edge--\r\n`,
      "file_missing",
    ],
  ] as const) {
    test(`that is refused leaves its connection to the next request: ${name}`, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      onCleanup(() => agent.destroy());
      const first = await send(`${service.url}${path}`, { agent, type, body });
      assert.equal((first.body as Problem).code, code);
      const start = performance.now();
      const second = await send(`${service.url}/v1/batches`, { agent, type: "text/csv", body: "a,b\n" });
      assert.deepEqual([(second.body as Problem).code, second.isReused], ["invalid_csv", true]);
      assert.ok(performance.now() - start < SLACK_MS);
    });
  }
});

/** By itself, since it is about time. */
test("two hundred uploads that do not end hold up nobody else", async () => {
  const clients = Array.from({ length: 200 }, (_, index) => {
    const beginning = BEGINNINGS[index % BEGINNINGS.length];
    assert.ok(beginning);
    const client = open(beginning);
    client.trickle(beginning.more);
    return client;
  });
  await eventually("their spool files", async () => (await tempFiles()).length >= 100);
  const start = performance.now();
  const accepted = await service.upload(catalogueOf([[`${origin.url}/photo/1.jpg`]]));
  assert.ok(performance.now() - start < 1_000, `a good upload took ${Math.round(performance.now() - start)} ms`);
  assert.equal((await service.finished(accepted.requestId)).outcome, "all");
  for (const client of clients) client.hangUp();
});

describe("when all of them have gone", () => {
  test("nothing of them is left, and the operator was not woken", async () => {
    await eventually("the last spool file's end", async () => (await tempFiles()).length === 0);
    const { rows } = await db.executor.executeSql(
      "select count(*)::int as batches, (select count(*)::int from product) as products from batch",
    );
    assert.deepEqual(rows, [{ batches: 1, products: 1 }]);
    assert.equal((await readdir(join(dataDir, "uploads", "inputCsvFiles"))).length, 1);
    assert.deepEqual(
      service.output.filter((line) => /"level":(40|50|60|"warn"|"error")/.test(line)),
      [],
    );
    assert.equal((await fetch(`${service.url}/readyz`)).status, 200);
  });
});

function send(
  url: string,
  { agent, type, body }: { agent: Agent; type: string; body: string },
): Promise<{ body: unknown; isReused: boolean }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method: "POST", agent, headers: { "content-type": type } }, async (response) =>
      resolve({ body: await json(response), isReused: request.reusedSocket }),
    );
    request.on("error", reject).end(body);
  });
}
