import assert from "node:assert/strict";
import { truncate } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { before, describe, test } from "node:test";
import type { Problem } from "../../src/contract/problem.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { OPERATIONS } from "../support/openapi-document.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

/** Provoked elsewhere, since each takes a service of its own, its time or another upload at that very moment. */
const ELSEWHERE = new Set(["request_timeout", "storage_full", "internal_error", "unavailable", "upload_in_progress"]);
const EDGE = "multipart/form-data; boundary=edge";
const part = (name: string, text: string) =>
  `--edge\r\ncontent-disposition: form-data; name="${name}"${name === "file" || name === "csv" ? '; filename="a.csv"' : ""}\r\n\r\n${text}\r\n`;

type Try = { headers?: Record<string, string>; query?: string; type?: string; body?: string | Buffer };

/** Each is sent to every operation, whether it has to do with it or not. */
const triesFor = (csv: string): Try[] => [
  {},
  { headers: { host: "elsewhere.test" } },
  { headers: { origin: "https://elsewhere.test" } },
  { headers: { "x-long": "x".repeat(20_000) } },
  { headers: { "content-length": "one" } },
  { headers: { range: "bytes=999999999-" } },
  { headers: { "if-match": '"other"' } },
  { query: "?limit=0&shape=no&probe=no" },
  { query: "?cursor=no" },
  { query: "?batchId=none" },
  { query: "?host=cdn.test" },
  { query: "?quality=0" },
  { query: "?webhookUrl=nowhere" },
  { type: "image/png", body: "x" },
  { type: "text/csv", body: "" },
  { type: "text/csv", body: "a,b\n1,2\n" },
  { type: "text/csv", body: Buffer.from("PK\u0003\u0004", "latin1") },
  { type: "text/csv", body: "x".repeat(200_000) },
  { type: "text/csv", body: csv, query: "?quality=0" },
  { type: "text/csv", body: csv, query: "?webhookUrl=nowhere" },
  { type: "text/csv", body: csv, headers: { "idempotency-key": "one" } },
  { type: "text/csv", body: csv, headers: { "idempotency-key": "one" }, query: "?quality=5" },
  { type: "application/x-ndjson", body: '{"images":1}\n' },
  { type: "application/json", body: "{" },
  { type: "application/json", body: '{"pauseAtFailurePercent":0}' },
  { type: "application/json", body: `{"products":[${" ".repeat(5_000_000)}` },
  { type: "application/json", body: '{"csvUrl":"http://127.0.0.1:1/a.csv"}' },
  { type: "multipart/form-data", body: "x" },
  { type: EDGE, body: "garbage" },
  { type: EDGE, body: `${part("quality", "1")}--edge--\r\n` },
  { type: EDGE, body: `${part("csv", csv)}--edge--\r\n` },
  { type: EDGE, body: `${part("file", csv)}${part("file", csv)}--edge--\r\n` },
];

describe("the problems of the document", () => {
  let service: Service;
  let locked: Service;
  let db: Database;
  let known: Record<string, string>[];
  let lost: Record<string, string>;
  before(async () => {
    const env = { DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder() };
    db = connectDatabase({ url: env.DATABASE_URL, poolMax: 1, onError: () => {} });
    onCleanup(() => db.close());
    const origin = await startOrigin();
    const worker = await startService(env);
    const finish = async (n: number) => worker.finished((await worker.upload(catalogueOf([[`${origin.url}/photo/${n}.jpg`]]))).requestId);
    const [ended, broken] = [await finish(1), await finish(2)];
    await truncate(join(env.DATA_DIR, "uploads", "outputImages", broken.requestId, "00000", "1-1.jpg"));
    await worker.kill("SIGTERM");
    [service, locked] = await Promise.all([
      startService({ ...env, ROLE: "api", UPLOAD_BYTES_MAX: "100000" }),
      startService({ ...env, ROLE: "api", API_KEYS: "k" }),
    ]);
    const upload = () => service.upload(catalogueOf([[`${origin.url}/photo/1.jpg`]]));
    const [open, cancelled] = [await upload(), await upload()];
    // With nobody to end it.
    assert.equal((await fetch(`${service.url}/v1/batches/${cancelled.requestId}/cancel`, { method: "POST" })).status, 200);
    const idsOf = ({ requestId, outputCsvUrl }: { requestId: string; outputCsvUrl: string }) => ({
      requestId,
      batchId: requestId,
      token: outputCsvUrl.split("/").at(-2) ?? "",
      fileName: "1-1.jpg",
      name: "savings",
    });
    lost = idsOf(broken);
    known = [
      idsOf(ended),
      idsOf(open),
      idsOf(cancelled),
      { requestId: "none", batchId: "none", token: "none", fileName: "none", name: "none" },
    ];
  });

  /** The code of the problem, if it is one. That every answer is documented is seen to by watch-answers.ts. */
  const send = (to: Service, method: string, path: string, { headers = {}, query = "", type, body }: Try) =>
    new Promise<string | null>((resolve, reject) => {
      const request = httpRequest(
        `${to.url}${path}${query}`,
        {
          method,
          headers: {
            ...headers,
            ...(type === undefined ? {} : { "content-type": type }),
            ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
          },
        },
        (response) => {
          if (/problem/.test(response.headers["content-type"] ?? ""))
            json(response).then((problem) => resolve((problem as Problem).code), reject);
          else
            response
              .resume()
              .on("end", () => resolve(null))
              .on("error", reject);
        },
      );
      request.on("error", reject).end(body);
    });
  const fill = (template: string, values: Record<string, string>) =>
    template.replaceAll(/\{([^}]+)\}/g, (_, name: string) => values[name] ?? "x");

  for (const { method, template, operation } of OPERATIONS) {
    test(`are those that can be provoked, no more and no fewer: ${method} ${template}`, async () => {
      const provoked = new Set<string>();
      const csv = catalogueOf([["http://10.0.0.1/a.jpg"]]);
      const more = /\{fileName\}|archive\.zip/.test(template) ? [lost] : [];
      for (const values of [...known.slice(template.includes("{") ? 0 : 3), ...more]) {
        for (const one of triesFor(csv)) provoked.add((await send(service, method, fill(template, values), one)) ?? "");
        provoked.add((await send(locked, method, fill(template, values), {})) ?? "");
      }
      provoked.delete("");
      const listed = Object.values(operation.responses).flatMap(({ content }) =>
        Object.keys(content?.["application/problem+json"]?.examples ?? {}),
      );
      assert.deepEqual([...provoked].toSorted(), listed.filter((code) => !ELSEWHERE.has(code)).toSorted());
    });
  }

  test("hold where the database is out of order, and say nothing of it", async () => {
    await db.executor.executeSql("alter table batch rename to batch_away");
    const statuses = new Map<string, string | null>();
    for (const { method, template, operation } of OPERATIONS)
      statuses.set(
        operation.operationId,
        await send(service, method, fill(template, known[0] ?? {}), { type: "text/csv", body: catalogueOf([["http://10.0.0.1/a.jpg"]]) }),
      );
    await db.executor.executeSql("alter table batch_away rename to batch");
    for (const id of [
      "createBatch",
      "listBatches",
      "getBatch",
      "listProducts",
      "pauseBatch",
      "uploadAndProcessDocument",
      "getProcessingStatus",
      "getResultCsv",
    ])
      assert.equal(statuses.get(id), "internal_error", id);
  });
});
