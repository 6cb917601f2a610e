import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createAddressPolicy } from "../../src/domain/address-policy.ts";
import { createPost } from "../../src/net/post.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDownloader } from "../support/downloader.ts";
import { createTestFolder } from "../support/folder.ts";

/** Answers every request with one byte on a connection of its own. The backlog is the shortest there is. */
const SERVER = `
  const server = require("node:http").createServer((_, response) => response.setHeader("connection", "close").end("x"));
  server.listen({ host: process.argv[1], port: Number(process.argv[2]), backlog: 1 }, () => console.log(server.address().port));
`;

async function startServer(host: string, port = 0) {
  const child = spawn(process.execPath, ["-e", SERVER, host, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  onCleanup(() => void child.kill("SIGKILL"));
  const [line] = await once(child.stdout, "data");
  return {
    port: Number(String(line)),
    freeze: () => freeze(host, Number(String(line)), child.pid ?? 0),
    thaw: () => child.kill("SIGCONT"),
  };
}

/** From here on no connection to it comes about: its backlog is full. */
async function freeze(host: string, port: number, pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  const sockets: Socket[] = Array.from({ length: 4 }, () => connect({ host, port }).on("error", () => {}));
  onCleanup(() => sockets.forEach((socket) => socket.destroy()));
  await Promise.all(sockets.slice(0, 2).map((socket) => once(socket, "connect")));
}

describe("the addresses of a name", () => {
  const startDownloads = async (addresses: readonly string[], onLookup = () => {}) => {
    const folder = await createTestFolder();
    const downloader = createTestDownloader({
      policy: createAddressPolicy({ allowCidrs: ["127.0.0.0/8"] }),
      resolve: async () => (onLookup(), addresses.map((address) => ({ address, family: 4 }))),
    });
    return (port: number) =>
      downloader.download({ url: `http://shop.test:${port}/`, path: join(folder, "file"), signal: AbortSignal.timeout(20_000) });
  };

  test("one whose handshake takes a second is waited for, though the next refuses", async () => {
    const server = await startServer("127.0.0.1");
    await server.freeze();
    // The first packet is lost, and sent again a second later.
    const download = await startDownloads(["127.0.0.1", "127.0.0.2"], () => setTimeout(server.thaw, 100));
    const result = await download(server.port);
    assert.ok(result.ok, JSON.stringify(result));
  });

  test("of a webhook's receiver, one whose handshake takes a second is waited for as well", async () => {
    const server = await startServer("127.0.0.1");
    await server.freeze();
    const post = createPost({
      policy: createAddressPolicy({ allowCidrs: ["127.0.0.0/8"] }),
      userAgent: "test",
      resolve: async () => {
        setTimeout(server.thaw, 100);
        return ["127.0.0.1", "127.0.0.2"].map((address) => ({ address, family: 4 }));
      },
    });
    const signal = AbortSignal.timeout(20_000);
    const answer = await post({ url: `http://shop.test:${server.port}/`, headers: {}, authorization: null, body: "{}", signal });
    assert.ok(answer.ok, JSON.stringify(answer));
  });

  test("one that leads nowhere is passed over for the next, which is tried first from then on", async () => {
    const dead = await startServer("127.0.0.1");
    await startServer("127.0.0.2", dead.port);
    await dead.freeze();
    const download = await startDownloads(["127.0.0.1", "127.0.0.2"]);
    const take = async () => {
      const askedAt = performance.now();
      const result = await download(dead.port);
      assert.ok(result.ok, JSON.stringify(result));
      return performance.now() - askedAt;
    };
    await take();
    const secondMs = await take();
    assert.ok(secondMs < 1_000, `${secondMs} ms`);
  });
});
