import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Validator } from "@seriousme/openapi-schema-validator";
import Value from "typebox/value";
import { AcceptedBatch, Batch, Product, ResumeRequest } from "../../src/contract/batch.ts";
import { BatchStatusView } from "../../src/contract/status.ts";
import { BatchEvent, SeedEvent } from "../../src/contract/event.ts";
import { Preflight, PreflightOptions } from "../../src/contract/preflight.ts";
import { Problem } from "../../src/contract/problem.ts";
import { Report } from "../../src/contract/report.ts";
import { ID } from "../../src/contract/terms.ts";
import { Accepted, ProductInput, UploadQuery } from "../../src/contract/upload.ts";
import { createSecret, signatureHeaders } from "../../src/domain/secret/webhook-signature.ts";
import { readPreflightOptions } from "../../src/intake/options/read-options.ts";
import { DOCUMENT_URL, makeDocument } from "../../scripts/openapi-document.ts";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import type { Document, MediaType } from "../support/openapi-document.ts";
import { startService, type Service } from "../support/service.ts";

const run = promisify(execFile);
const REGENERATE = "openapi.json is not what the code says. Run `npm run openapi`, look at the difference, and commit it.";

describe("the API's documents", () => {
  let service: Service;
  let document: Document;
  before(async () => {
    service = await startService({ DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder(), ROLE: "api" });
    document = (await (await fetch(`${service.url}/openapi.json`)).json()) as Document;
  });

  const operations = () => Object.values(document.paths).flatMap((path) => Object.values(path));

  test("/openapi.json is valid OpenAPI 3.1", async () => {
    assert.match(document.openapi, /^3\.1\./);
    const { valid, errors } = await new Validator().validate(document as unknown as Record<string, unknown>);
    assert.equal(valid, true, JSON.stringify(errors, null, 1));
  });

  test("the committed openapi.json is what the code says and what is served", async () => {
    const committed = await readFile(DOCUMENT_URL, "utf8");
    assert.ok(committed === (await makeDocument()), REGENERATE);
    assert.deepEqual(document, JSON.parse(committed), REGENERATE);
  });

  test("Redocly's strict rules have nothing to say, without exceptions", async () => {
    const linter = fileURLToPath(import.meta.resolve("@redocly/cli/bin/cli.js"));
    // In a folder of its own, so that no configuration softens the rules.
    const { stdout, stderr } = await run(
      process.execPath,
      [linter, "lint", "--extends=recommended-strict", "--format=stylish", fileURLToPath(DOCUMENT_URL)],
      {
        cwd: await createTestFolder(),
        env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true", CI: "true" },
      },
    ).catch((error: { stdout: string; stderr: string }) => error);
    assert.match(stderr, /Your API description is valid/, `${stdout}${stderr}`);
  });

  test("every operation says what it is for, in examples too", () => {
    const isShown = ({ schema = {}, example, examples }: MediaType): boolean => {
      const name = /^#\/components\/schemas\/(.+)$/.exec("$ref" in schema ? String(schema.$ref) : "")?.[1];
      const isBinary = "format" in schema && schema.format === "binary";
      return (
        isBinary ||
        example !== undefined ||
        examples !== undefined ||
        (name !== undefined && document.components.schemas[name]?.examples !== undefined)
      );
    };
    for (const { operationId, description, requestBody, responses } of operations()) {
      assert.ok(description, operationId);
      for (const [mediaType, media] of Object.entries(requestBody?.content ?? {}))
        assert.ok(isShown(media), `${operationId} takes ${mediaType}`);
      for (const [status, { content = {} }] of Object.entries(responses)) {
        for (const [mediaType, media] of Object.entries(content))
          assert.ok(isShown(media), `${operationId} answers ${status} ${mediaType}`);
      }
    }
  });

  test("no shape stands twice under two names, or without one", () => {
    const nameless: string[] = [];
    const look = (node: unknown, at: string) => {
      if (Array.isArray(node)) return node.forEach((one, index) => look(one, `${at}/${index}`));
      if (typeof node !== "object" || node === null) return;
      if ("type" in node && node.type === "object" && "properties" in node && !/^\/components\/schemas\/[^/]+$/.test(at)) nameless.push(at);
      for (const [key, value] of Object.entries(node)) if (!/^(examples?|value)$/.test(key)) look(value, `${at}/${key}`);
    };
    look(document, "");
    assert.deepEqual(nameless, [], "give these schemas a title");
  });

  test("progress has all of its counts, in answers and in events", () => {
    for (const name of ["Progress", "BatchEventProgress"]) {
      const { required, properties = {} } = document.components.schemas[name] as { required?: string[]; properties?: object };
      assert.ok("reused" in properties);
      assert.deepEqual(required, Object.keys(properties), name);
    }
  });

  test("no list of words stands in two places", () => {
    const places = new Map<string, string[]>();
    const look = (node: unknown, at: string) => {
      if (typeof node !== "object" || node === null) return;
      if ("enum" in node) {
        const words = JSON.stringify(node.enum);
        places.set(words, [...(places.get(words) ?? []), at]);
      }
      for (const [key, value] of Object.entries(node)) if (!/^(examples?|value)$/.test(key)) look(value, `${at}/${key}`);
    };
    look(document, "");
    assert.ok(places.size > 10);
    assert.deepEqual(
      [...places.values()].filter((at) => at.length > 1),
      [],
      "give these schemas one title, and so one place",
    );
  });

  test("every object that a request brings says whether it may have members of other names", () => {
    const silent = new Set<string>();
    const seen = new Set<unknown>();
    const look = (node: unknown, at: string) => {
      if (typeof node !== "object" || node === null || seen.has(node)) return;
      seen.add(node);
      if ("$ref" in node) {
        const name = String(node.$ref).split("/").at(-1) ?? "";
        return look(document.components.schemas[name], name);
      }
      const isSaid = "additionalProperties" in node || "patternProperties" in node;
      if ("type" in node && node.type === "object" && !isSaid) silent.add(at);
      for (const [key, value] of Object.entries(node)) if (key !== "examples") look(value, `${at}/${key}`);
    };
    for (const { operationId, requestBody } of operations())
      for (const { schema } of Object.values(requestBody?.content ?? {})) look(schema, operationId);
    assert.ok(seen.has(document.components.schemas["ProductInput"]));
    assert.deepEqual([...silent], []);
  });

  test("every operation has an id of its own, a summary and its problems", () => {
    const ids = [...operations(), ...Object.values(document.webhooks).map(({ post }) => post)].map(({ operationId }) => operationId);
    assert.ok(ids.length >= 8);
    assert.equal(new Set(ids).size, ids.length);
    for (const { operationId, summary, responses } of operations()) {
      assert.ok(operationId && summary);
      assert.ok(
        Object.entries(responses).some(
          ([status, response]) => Number(status) >= 400 && "application/problem+json" in (response.content ?? {}),
        ),
        operationId,
      );
    }
  });

  test("names both routes of the seed, at the root and under /api, and the webhooks", () => {
    for (const prefix of ["", "/api"]) {
      assert.ok(document.paths[`${prefix}/uploadAndProcessDocument`]?.["post"]);
      assert.ok(document.paths[`${prefix}/getProcessingStatus/{requestId}`]?.["get"]);
    }
    for (const name of ["batchEnded", "batchPaused", "batchResumed", "batchHostPaused", "batchHostResumed"])
      assert.ok(document.webhooks[name]?.post, name);
  });

  test("every webhook declares the headers that it is signed with", () => {
    const signed = signatureHeaders([createSecret(randomBytes(32))], { id: ID, timestampSeconds: 1_795_464_001, body: "{}" });
    for (const [name, { post }] of Object.entries(document.webhooks)) {
      const declared = (post.parameters ?? []).filter((one) => one.in === "header" && one.required).map((one) => one.name);
      assert.deepEqual(declared.toSorted(), Object.keys(signed).toSorted(), name);
    }
  });

  test("every example fits its schema", () => {
    for (const [name, schema] of Object.entries({
      Accepted,
      AcceptedBatch,
      Batch,
      BatchEvent,
      ProcessingStatus: BatchStatusView,
      Preflight,
      Problem,
      Product,
      ProductInput,
      Report,
      ResumeRequest,
      SeedEvent,
    })) {
      const examples = document.components.schemas[name]?.examples ?? [];
      assert.ok(examples.length > 0, name);
      for (const example of examples) assert.deepEqual([...Value.Errors(schema, example)], [], name);
    }
  });

  test("every example of an upload's option is taken by what reads the options", () => {
    const names = new Set<string>();
    for (const [name, schema] of [...Object.entries(UploadQuery.properties), ...Object.entries(PreflightOptions.properties)]) {
      for (const example of examplesOf(schema)) {
        names.add(name);
        // Some options are about a webhook, and refused without one.
        const fields = { webhookUrl: "https://shop.example/hooks", [name]: example };
        assert.doesNotThrow(
          () => readPreflightOptions({ fields, layout: null }),
          ({ message }: Error) => assert.fail(`${name}, ${JSON.stringify(example)}: ${message}`),
        );
      }
    }
    for (const name of ["quality", "outputs", "metadata", "sourceHeaders", "webhookAuthorization", "probe"])
      assert.ok(names.has(name), name);
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

type Exemplified = { examples?: unknown[]; items?: object; properties?: Record<string, object>; required?: string[] };

/** Its own examples, and values made of those of its parts, each beside what has to be there with it. */
function examplesOf(schema: object): unknown[] {
  const { examples = [], items, properties = {}, required = [] } = schema as Exemplified;
  const demanded = Object.fromEntries(required.map((name) => [name, examplesOf(properties[name] ?? {})[0]]));
  return [
    ...examples,
    ...(items ? examplesOf(items).map((one) => [one]) : []),
    ...Object.entries(properties).flatMap(([name, part]) => examplesOf(part).map((one) => ({ ...demanded, [name]: one }))),
  ];
}
