import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer as createHttpServer } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { onCleanup } from "../support/cleanup.ts";
import { createTestFolder } from "../support/folder.ts";

const SRC = new URL("../../src/", import.meta.url).href;
/** Downloads, posts, and asks once through Node's own agent, which does go to the proxy. */
const SCRIPT = `
  import { get } from "node:http";
  import { createAddressPolicy } from "${SRC}domain/url/address-policy.ts";
  import { DOWNLOAD_LIMITS } from "${SRC}net/download-limits.ts";
  import { createDownloader } from "${SRC}net/download.ts";
  import { createPost } from "${SRC}webhook/post.ts";
  const [url, path] = process.argv.slice(-2);
  const options = { policy: createAddressPolicy({ allowCidrs: ["127.0.0.1/32"] }), userAgent: "test" };
  const downloader = createDownloader({ ...options, limits: DOWNLOAD_LIMITS, accept: "*/*", max: 8, perHostMax: 1 });
  const signal = AbortSignal.timeout(5_000);
  const download = await downloader.download({ url, path, signal });
  const post = await createPost(options)({ url, headers: {}, body: "{}", signal });
  const proxied = await new Promise((resolve) => get(url, (response) => resolve(response.statusCode)).on("error", () => resolve("error")));
  console.log(JSON.stringify({ download: download.ok, post: post.ok, proxied }));
  process.exit(0);
`;

test("proxy variables change nothing, not even where Node is told to heed them", async () => {
  const origin = createHttpServer((_, response) => response.end("body")).listen(0, "127.0.0.1");
  const proxied: string[] = [];
  const proxy = createServer((socket) => {
    socket
      .on("error", () => {})
      .once("data", (data) => {
        proxied.push(data.toString().split("\r\n")[0] ?? "");
        socket.end("HTTP/1.1 418 Proxied\r\nContent-Length: 0\r\n\r\n");
      });
  }).listen(0, "127.0.0.1");
  onCleanup(() => (origin.close(), origin.closeAllConnections(), proxy.close()));
  await Promise.all(
    [origin, proxy].map((server) => (server.listening ? null : new Promise((resolve) => server.once("listening", resolve)))),
  );
  const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const env = {
    PATH: process.env["PATH"] ?? "",
    NODE_USE_ENV_PROXY: "1",
    HTTP_PROXY: proxyUrl,
    HTTPS_PROXY: proxyUrl,
    ALL_PROXY: proxyUrl,
    http_proxy: proxyUrl,
    https_proxy: proxyUrl,
  };
  const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}/`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "--eval", SCRIPT, url, join(await createTestFolder(), "body")],
    { env },
  );
  assert.deepEqual(JSON.parse(stdout), { download: true, post: true, proxied: 418 });
  assert.equal(proxied.length, 1, `the proxy heard ${proxied.join(", ")}`);
});
