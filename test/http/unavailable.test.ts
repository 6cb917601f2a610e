import assert from "node:assert/strict";
import { test } from "node:test";
import { isDatabaseAway } from "../../src/db/connection/connect.ts";
import { createServer, type HttpDeps } from "../../src/http/server.ts";
import { onCleanup } from "../support/cleanup.ts";

test("a request that the database did not serve is told why, and so is the log, calmly", async () => {
  const warned: [string, unknown][] = [];
  let code = "53300";
  const app = await createServer({
    settings: { auth: "none", apiKeys: [], publicUrl: () => "http://127.0.0.1", uploadBytesMax: 10_000, uploadMs: 10_000, version: "0" },
    findBatch: () => Promise.reject(Object.assign(new Error("as the server says"), { code })),
    isUnavailable: isDatabaseAway,
    log: { debug: () => {}, info: assert.fail, warn: (facts, event) => void warned.push([event, facts]), error: assert.fail },
  } as Partial<HttpDeps> as HttpDeps);
  onCleanup(() => app.close());
  const ask = async () => {
    const answer = await app.inject({ url: "/v1/batches/0198f2c4-7d1e-7000-8000-000000000000" });
    assert.deepEqual([answer.statusCode, answer.headers["retry-after"]], [503, "5"], answer.body);
    return answer.json<{ detail: string }>().detail;
  };
  assert.match(await ask(), /has no connection free right now/);
  assert.match(await ask(), /has no connection free right now/);
  // No port is left for a connection to it.
  code = "EADDRNOTAVAIL";
  assert.match(await ask(), /cannot be reached right now/);
  code = "57P01";
  assert.match(await ask(), /cannot be reached right now/);
  const said = (told: string) => [
    "a request could not reach the database",
    { err: { name: "Error", message: "as the server says", code: told } },
  ];
  assert.deepEqual(warned, [said("53300"), said("EADDRNOTAVAIL"), said("57P01")]);
});
