import assert from "node:assert/strict";
import { test } from "node:test";
import { isDatabaseAway } from "../../src/db/connection/connect.ts";
import { createServer, type HttpDeps } from "../../src/http/server.ts";
import { onCleanup } from "../support/cleanup.ts";

/** A service whose look for a batch fails by such an error. */
async function startFailing(failing: { code: string; syscall?: string }, said: Pick<HttpDeps["log"], "warn" | "error">) {
  const app = await createServer({
    settings: { auth: "none", apiKeys: [], publicUrl: () => "http://127.0.0.1", uploadBytesMax: 10_000, uploadMs: 10_000, version: "0" },
    findBatch: () => Promise.reject(Object.assign(new Error("as the system says"), failing)),
    isUnavailable: isDatabaseAway,
    log: { debug: () => {}, info: assert.fail, ...said },
  } as Partial<HttpDeps> as HttpDeps);
  onCleanup(() => app.close());
  return async (retryAfter: string) => {
    const answer = await app.inject({ url: "/v1/batches/0198f2c4-7d1e-7000-8000-000000000000" });
    assert.deepEqual([answer.statusCode, answer.headers["retry-after"]], [503, retryAfter], answer.body);
    return answer.json<{ detail: string }>().detail;
  };
}

test("a request that the database did not serve is told why, and so is the log, calmly", async () => {
  const warned: [string, unknown][] = [];
  const failing = { code: "53300" };
  const ask = await startFailing(failing, { warn: (facts, event) => void warned.push([event, facts]), error: assert.fail });
  assert.match(await ask("5"), /has no connection free right now/);
  assert.match(await ask("5"), /has no connection free right now/);
  // No port is left for a connection to it.
  failing.code = "EADDRNOTAVAIL";
  assert.match(await ask("5"), /cannot be reached right now/);
  failing.code = "57P01";
  assert.match(await ask("5"), /cannot be reached right now/);
  const said = (told: string) => [
    "a request could not reach the database",
    { err: { name: "Error", message: "as the system says", code: told } },
  ];
  assert.deepEqual(warned, [said("53300"), said("EADDRNOTAVAIL"), said("57P01")]);
});

test("a request whose files lie on a mount that is gone is told so, whatever that is served by", async () => {
  const events: string[] = [];
  const failing = { code: "", syscall: "open" };
  const ask = await startFailing(failing, { warn: assert.fail, error: (_, event) => void events.push(event) });
  for (const code of ["EIO", "ESTALE", "ENOTCONN"]) {
    failing.code = code;
    assert.match(await ask("60"), /^The files of the service cannot be reached right now/);
  }
  assert.deepEqual([...new Set(events)], ["a request could not reach the disk"]);
});
