import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import Value from "typebox/value";
import { AcceptedBatch, Batch, BatchStatusView, Product, ResumeRequest } from "../../src/contract/batch.ts";
import { BatchEvent } from "../../src/contract/event.ts";
import { Preflight } from "../../src/contract/preflight.ts";
import { Problem } from "../../src/contract/problem.ts";
import { Accepted, ProductInput } from "../../src/contract/upload.ts";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { startService, type Service } from "../support/service.ts";

type Operation = { operationId?: string; summary?: string; responses: Record<string, { description?: string; content?: Record<string, unknown> }> };
type Document = { openapi: string; paths: Record<string, Record<string, Operation>>; webhooks: Record<string, { post: Operation }>; components: { schemas: Record<string, { examples?: unknown[] }> } };

describe("the API's documents", () => {
  let service: Service;
  let document: Document;
  before(async () => {
    service = await startService({ DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder(), ROLE: "api" });
    document = (await (await fetch(`${service.url}/openapi.json`)).json()) as Document;
  });

  test("/openapi.json is valid OpenAPI 3.1", async () => {
    assert.match(document.openapi, /^3\.1\./);
    const { valid, errors } = await new Validator().validate(document as unknown as Record<string, unknown>);
    assert.equal(valid, true, JSON.stringify(errors, null, 1));
  });

  test("every operation has an id of its own, a summary and its problems", () => {
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
    const ids = [...operations, ...Object.values(document.webhooks).map(({ post }) => post)].map(({ operationId }) => operationId);
    assert.ok(ids.length >= 8);
    assert.equal(new Set(ids).size, ids.length);
    for (const { operationId, summary, responses } of operations) {
      assert.ok(operationId && summary);
      if (/Health|Readiness/.test(operationId)) continue;
      assert.ok(Object.entries(responses).some(([status, response]) => Number(status) >= 400 && "application/problem+json" in (response.content ?? {})), operationId);
    }
  });

  test("names both routes of the seed, at the root and under /api, and the webhooks", () => {
    for (const prefix of ["", "/api"]) {
      assert.ok(document.paths[`${prefix}/uploadAndProcessDocument`]?.["post"]);
      assert.ok(document.paths[`${prefix}/getProcessingStatus/{requestId}`]?.["get"]);
    }
    for (const name of ["batchEnded", "batchPaused", "batchResumed"]) assert.ok(document.webhooks[name]?.post, name);
  });

  test("every example fits its schema", () => {
    for (const [name, schema] of Object.entries({ Accepted, AcceptedBatch, Batch, BatchEvent, ProcessingStatus: BatchStatusView, Preflight, Problem, Product, ProductInput, ResumeRequest })) {
      const examples = document.components.schemas[name]?.examples ?? [];
      assert.ok(examples.length > 0, name);
      for (const example of examples) assert.deepEqual([...Value.Errors(schema, example)], [], name);
    }
  });

  test("/docs works without any other server", async () => {
    const page = await fetch(`${service.url}/docs/`);
    assert.equal(page.status, 200);
    const html = await page.text();
    const sources = [...html.matchAll(/<(?:script|link|img)[^>]+(?:src|href)="([^"]+)"/g)].map(([, source]) => source ?? "");
    assert.ok(sources.length > 0);
    for (const source of sources) {
      const url = new URL(source, page.url);
      assert.equal(url.origin, new URL(service.url).origin, source);
      assert.equal((await fetch(url)).status, 200, source);
    }
  });

  test("/healthz and /readyz tell that the process lives and can serve", async () => {
    assert.deepEqual(await (await fetch(`${service.url}/healthz`)).json(), { status: "ok" });
    assert.equal((await fetch(`${service.url}/readyz`)).status, 200);
  });
});
