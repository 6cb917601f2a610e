import assert from "node:assert/strict";
import { connect, type AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { createServer, type HttpDeps } from "../../src/http/server.ts";
import { onCleanup } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";

const BODY = "S. No,Product Name,Input Image Urls\n";
const HELD = "GET /v1/batches/01a2222a-d536-7b14-b2a3-f0524f3f1e38 HTTP/1.1\r\nhost: localhost\r\n\r\n";

test("a request that comes behind another one while the service closes is told by a problem to try again, but for health checks", async () => {
  const lookedUp = Promise.withResolvers<null>();
  const unasked = () => assert.fail();
  // Of what the routes need, the part of those that are asked.
  const app = await createServer({
    settings: { auth: "none", apiKeys: [], publicUrl: () => "http://127.0.0.1", uploadBytesMax: 0, uploadMs: 0, version: "0" },
    findBatch: () => lookedUp.promise,
    isStopping: () => true,
    isUnavailable: () => false,
    log: { debug: () => {}, info: unasked, warn: unasked, error: unasked },
  } as Partial<HttpDeps> as HttpDeps);
  onCleanup(() => app.close());
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;

  let asked = 0;
  app.server.on("request", () => (asked += 1));
  const requests = [
    "GET /v1/batches HTTP/1.1\r\nhost: localhost",
    `POST /uploadAndProcessDocument HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\ncontent-length: ${BODY.length}`,
    "GET /healthz HTTP/1.1\r\nhost: localhost",
    "GET /readyz?from=balancer HTTP/1.1\r\nhost: localhost",
  ];
  const sockets = requests.map(() => connect(port, "127.0.0.1"));
  for (const socket of sockets) socket.write(HELD);
  await eventually("all to be under way", async () => asked === sockets.length);
  const closed = app.close();
  await eventually("the port to be closed", async () => !app.server.listening);
  for (const [index, socket] of sockets.entries()) socket.write(`${requests[index]}\r\n\r\n${index === 1 ? BODY : ""}`);
  await eventually("the others to be there behind them", async () => asked === 2 * sockets.length);
  lookedUp.resolve(null);

  const [list, upload, health, readiness] = await Promise.all(
    sockets.map(async (socket) => (await text(socket)).split("HTTP/1.1 ").slice(1)),
  );
  for (const [held, refused] of [list, upload].map((answers) => answers ?? [])) {
    assert.match(held ?? "", /^404 .+batch_not_found/s);
    assert.match(refused ?? "", /^503 .*content-type: application\/problem\+json/is);
    assert.match(refused ?? "", /retry-after: 5\r\n/i);
    assert.match(refused ?? "", /connection: close\r\n.+"code":"unavailable"/is);
  }
  assert.match(health?.[1] ?? "", /^200 .+"status":"ok"/s);
  assert.match(readiness?.[1] ?? "", /^503 .+"status":"stopping"/s);
  await closed;
});
