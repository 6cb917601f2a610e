import assert from "node:assert/strict";
import { Agent, request as httpRequest } from "node:http";
import { text } from "node:stream/consumers";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { findUndocumented, type Answer } from "../support/documented.ts";
import { createTestFolder } from "../support/folder.ts";
import { OPERATIONS } from "../support/openapi-document.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";
import { requestsFor, type AnyRequest } from "./any-request/any-request.ts";
import type { Known } from "./any-request/from-schema.ts";

/** For each operation. By hand: ANY_REQUEST_RUNS=1000 ANY_REQUEST_SEED=$RANDOM npm run test:file test/http/any-request.test.ts */
const RUNS = Number(process.env["ANY_REQUEST_RUNS"] ?? 50);
const SEED = Number(process.env["ANY_REQUEST_SEED"] ?? 5);
const ANSWER_MS = 10_000;

describe("any request at all", () => {
  let service: Service;
  let known: Known;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onCleanup(() => agent.destroy());

  before(async () => {
    const env = { DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder() };
    const origin = await startOrigin(
      (_, response, url) =>
        void response.writeHead(url.pathname === "/export.csv" ? 200 : 404).end(catalogueOf([[`${origin.url}/photo/1.jpg`]])),
    );
    const worker = await startService(env);
    const ended = await worker.finished(
      (await worker.upload(catalogueOf([[`${origin.url}/photo/1.jpg`, `${origin.url}/gone.jpg`]]))).requestId,
    );
    await worker.kill("SIGTERM");
    // Nothing works on what is accepted here, so that a batch stays what it is between two requests.
    service = await startService({ ...env, ROLE: "api", UPLOAD_BYTES_MAX: "1000000" });
    const open = await service.upload(catalogueOf([[`${origin.url}/photo/1.jpg`]]));
    const tokenOf = (csvUrl: string) => csvUrl.split("/").at(-2) ?? "";
    const urls = fc.constantFrom(
      `${origin.url}/photo/1.jpg`,
      `${origin.url}/export.csv`,
      `${origin.url}/gone`,
      "http://10.0.0.1/a.jpg",
      "http://[::1]:1/",
      "ftp://shop/a.jpg",
      "shop.example",
      "//",
      "",
    );
    const ids = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(ended.requestId, open.requestId) }, { weight: 1, arbitrary: fc.uuid() });
    known = {
      batchId: ids,
      requestId: ids,
      token: fc.constantFrom(
        tokenOf(ended.outputCsvUrl),
        tokenOf(ended.outputCsvUrl),
        tokenOf(open.outputCsvUrl),
        "q3Jb0m8YcT6nXo4Zr1sWvA",
      ),
      fileName: fc.constantFrom("1-1.jpg", "1-1.jpg", "1-2.jpg", "results.csv", "archive.zip"),
      csvUrl: urls,
      webhookUrl: urls,
      baseUrl: urls,
      images: fc.array(fc.oneof({ weight: 5, arbitrary: fc.constant(`${origin.url}/photo/1.jpg`) }, { weight: 1, arbitrary: urls }), {
        minLength: 1,
        maxLength: 3,
      }),
      probe: fc.integer({ min: 0, max: 3 }),
    };
  });

  const send = ({ method, path, headers, body }: AnyRequest) =>
    new Promise<Answer>((resolve, reject) => {
      const request = httpRequest(
        { host: "127.0.0.1", port: new URL(service.url).port, agent, method, path, headers, timeout: ANSWER_MS },
        async (response) => {
          const { "content-type": contentType = null, "retry-after": retryAfter = null } = response.headers;
          await text(response).then(
            (body) =>
              resolve({ method, path, status: response.statusCode ?? 0, contentType, retryAfter, body: method === "HEAD" ? null : body }),
            reject,
          );
        },
      );
      request
        .on("timeout", () => request.destroy(new Error(`no answer within ${ANSWER_MS} ms`)))
        .on("error", reject)
        .end(body);
    });

  for (const [index, { method, template, operation }] of OPERATIONS.entries()) {
    test(`is answered as the document says, and never by a fault of ours: ${method} ${template}`, async (context) => {
      const seen = new Map<number, number>();
      await fc.assert(
        fc.asyncProperty(requestsFor({ method, template, operation }, known), async (request) => {
          const answer = await send(request);
          seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
          assert.equal(findUndocumented(answer), null);
          assert.ok(answer.status < 500, `${answer.status} ${answer.body ?? ""}`);
        }),
        { seed: SEED + index, numRuns: RUNS },
      );
      const counts = [...seen].map(([status, count]) => `${count} × ${status}`).join(", ");
      context.diagnostic(counts);
      // Not all were refused at the door.
      assert.ok(
        [...seen.keys()].some((status) => status < 400),
        counts,
      );
    });
  }

  test("leaves the service as it was: alive, ready, and without a word of an error", async () => {
    assert.equal(service.process.exitCode, null);
    assert.equal((await fetch(`${service.url}/readyz`)).status, 200);
    assert.deepEqual(
      service.output.filter((line) => /"level":(50|60|"error")/.test(line)),
      [],
    );
  });
});
