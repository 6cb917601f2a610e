import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { before, describe, test } from "node:test";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { startService, type Service } from "../support/service.ts";

type Sent = { method?: string; path?: string; headers?: Record<string, string> };

/** fetch sets Host and Origin by itself. */
function send(
  service: Service,
  { method = "GET", path = "/getProcessingStatus/x", headers = {} }: Sent,
): Promise<{ status: number; code: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port: new URL(service.url).port, method, path, headers }, async (response) => {
      const body = await text(response);
      resolve({ status: response.statusCode ?? 0, code: body.startsWith("{") ? ((JSON.parse(body) as { code?: string }).code ?? "") : "" });
    });
    request.on("error", reject);
    request.end();
  });
}

describe("an unauthenticated loopback", () => {
  let service: Service;
  before(async () => {
    service = await startService({
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: await createTestFolder(),
      PUBLIC_URL: "http://images.localhost:8080",
      ROLE: "api",
    });
  });

  test("answers only to its own names, so that DNS rebinding gains nothing", async () => {
    const { port } = new URL(service.url);
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, "LOCALHOST", "images.localhost:8080"]) {
      assert.equal((await send(service, { headers: { host } })).code, "batch_not_found", host);
    }
    for (const host of ["evil.test", `evil.test:${port}`, "localhost.evil.test", "127.0.0.1.evil.test", "images.localhost"]) {
      assert.deepEqual(await send(service, { headers: { host } }), { status: 403, code: "forbidden_host" }, host);
    }
  });

  test("tells a balancer of its health by whatever name, or none", async () => {
    const { port } = new URL(service.url);
    for (const path of ["/healthz", "/readyz", "/readyz?from=balancer"]) {
      assert.equal((await send(service, { path, headers: { host: `10.0.0.5:${port}` } })).status, 200, path);
      const socket = connect(Number(port), "127.0.0.1");
      socket.write(`GET ${path} HTTP/1.0\r\n\r\n`);
      assert.match(await text(socket), /^HTTP\/1\.1 200 .+"status":"ok"/s, path);
    }
    for (const path of ["/", "/openapi.json", "/healthz/", "/healthzz", "/docs/?/healthz"])
      assert.deepEqual(await send(service, { path, headers: { host: "10.0.0.5" } }), { status: 403, code: "forbidden_host" }, path);
  });

  test("takes nothing unsafe from a page of another site", async () => {
    const upload = { method: "POST", path: "/uploadAndProcessDocument", headers: { "content-type": "text/csv" } };
    const { host } = new URL(service.url);
    for (const headers of [
      { origin: "https://evil.test" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      { origin: `https://${host}` },
    ]) {
      assert.deepEqual(
        await send(service, { ...upload, headers: { ...upload.headers, ...headers } as Record<string, string> }),
        { status: 403, code: "forbidden_origin" },
        JSON.stringify(headers),
      );
    }
    for (const headers of [
      {},
      { origin: `http://${host}` },
      { origin: "http://images.localhost:8080" },
      { "sec-fetch-site": "same-origin" },
    ]) {
      assert.equal(
        (await send(service, { ...upload, headers: { ...upload.headers, ...headers } as Record<string, string> })).code,
        "invalid_csv",
        JSON.stringify(headers),
      );
    }
  });
});

describe("API_KEYS", () => {
  let service: Service;
  before(async () => {
    service = await startService({
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: await createTestFolder(),
      API_KEYS: "first-key, second-key",
      HOST: "0.0.0.0",
      ROLE: "api",
    });
  });

  test("are demanded of every route that tells or takes something", async () => {
    for (const headers of [
      {},
      { authorization: "Bearer wrong" },
      { authorization: "Basic first-key" },
      { authorization: "Bearer " },
      { authorization: "Bearer first-key, second-key" },
    ]) {
      for (const [method, path] of [
        ["GET", "/getProcessingStatus/x"],
        ["POST", "/uploadAndProcessDocument"],
        ["GET", "/api/getProcessingStatus/x"],
        ["POST", "/api/uploadAndProcessDocument"],
      ] as const) {
        assert.deepEqual(
          await send(service, { method, path, headers: headers as Record<string, string> }),
          { status: 401, code: "unauthorized" },
          `${method} ${path} ${JSON.stringify(headers)}`,
        );
      }
    }
    for (const key of ["first-key", "second-key"])
      assert.equal((await send(service, { headers: { authorization: `Bearer ${key}`, host: "anything.test" } })).code, "batch_not_found");
  });

  test("are not demanded of health checks, the documents and outputs, whose URLs are secrets themselves", async () => {
    for (const path of ["/healthz", "/readyz", "/openapi.json", "/docs/"]) assert.equal((await send(service, { path })).status, 200, path);
    assert.equal((await send(service, { path: "/outputs/AAAAAAAAAAAAAAAAAAAAAA/1-1.jpg" })).code, "output_not_found");
  });

  test("are no reason to believe a Host that names nothing", async () => {
    for (const path of ["/docs", "/docs/", "/healthz"])
      for (const host of ["%", "a b", "[", "x:99999"])
        assert.deepEqual(await send(service, { path, headers: { host } }), { status: 400, code: "bad_request" }, `${path} of ${host}`);
    for (const rest of ["docs HTTP/1.0", "docs/ HTTP/1.0", "docs/ HTTP/1.1\r\nhost:\r\nconnection: close"]) {
      const socket = connect(Number(new URL(service.url).port), "127.0.0.1");
      socket.write(`GET /${rest}\r\n\r\n`);
      assert.match(await text(socket), /^HTTP\/1\.1 400 /, rest);
    }
    assert.ok(!service.output.some((line) => /failed unexpectedly/.test(line)), service.output.join("\n"));
  });
});

describe("another address than loopback", () => {
  const start = async (env: Record<string, string>) => {
    const child = spawn(process.execPath, ["bin/pressrun.js", "serve"], {
      env: { PATH: process.env["PATH"] ?? "", PORT: "0", DATA_DIR: await createTestFolder(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [[code], said] = await Promise.all([once(child, "exit") as Promise<[number]>, text(child.stderr)]);
    return { code, said };
  };

  test("is refused without keys, with the way out", async () => {
    for (const host of ["0.0.0.0", "::", "192.0.2.7"]) {
      const { code, said } = await start({ HOST: host });
      assert.equal(code, 1);
      assert.match(said, /API_KEYS.*AUTH=none/s);
      assert.doesNotMatch(said, /\n\s+at /);
    }
  });

  test("is taken with AUTH=none", async () => {
    const service = await startService({
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: await createTestFolder(),
      AUTH: "none",
      HOST: "0.0.0.0",
      ROLE: "api",
    });
    assert.equal((await send(service, { headers: { host: "anything.test" } })).code, "batch_not_found");
  });

  test("every fault of the configuration is told at once", async () => {
    const { code, said } = await start({
      PORT: "x",
      ENCODERS: "0",
      DATABASE_URL: "mysql://db",
      ALLOW_CIDRS: "10.0.0.0/99",
      LOG_LEVEL: "loud",
      WEBHOOK_URL: "http://hooks.test",
    });
    assert.equal(code, 1);
    for (const name of ["PORT", "ENCODERS", "DATABASE_URL", "ALLOW_CIDRS", "LOG_LEVEL", "WEBHOOK_SECRET"])
      assert.match(said, new RegExp(`- ${name}`), said);
  });
});
