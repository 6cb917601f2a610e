import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setImmediate as turnOfEvents } from "node:timers/promises";
import { createAddressPolicy } from "../../src/domain/url/address-policy.ts";
import { DOWNLOAD_LIMITS } from "../../src/net/download-limits.ts";
import { createGuard } from "../../src/net/guarded-lookup.ts";
import { HostPaused, NO_WATCH } from "../../src/net/host-watch.ts";
import type { Resolve } from "../../src/net/look-ups.ts";
import { createPost } from "../../src/webhook/post.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDownloader, SHORT_LIMITS } from "../support/downloader.ts";
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
  const startDownloads = async (addresses: readonly string[], { onLookup = () => {}, limits = DOWNLOAD_LIMITS } = {}) => {
    const folder = await createTestFolder();
    const downloader = createTestDownloader({
      limits,
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
    const download = await startDownloads(["127.0.0.1", "127.0.0.2"], { onLookup: () => setTimeout(server.thaw, 100) });
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

  test("are all tried within the time for a connection, however many lead nowhere", async () => {
    const dead = await startServer("127.0.0.1");
    await startServer("127.0.0.2", dead.port);
    await dead.freeze();
    const addresses = [...Array.from({ length: 4 }, () => "127.0.0.1"), "127.0.0.2"];
    const download = await startDownloads(addresses, { limits: { ...DOWNLOAD_LIMITS, connectMs: 2_000 } });
    const result = await download(dead.port);
    assert.ok(result.ok, JSON.stringify(result));
  });
});

describe("the look-up of a name", () => {
  const FOUND = [{ address: "127.0.0.1", family: 4 }];
  /** Names come when the test says so. */
  const createResolver = () => {
    const asked: string[] = [];
    const coming = new Map<string, () => void>();
    const resolve: Resolve = (host) => {
      asked.push(host);
      return new Promise((settle) => coming.set(host, () => settle(FOUND)));
    };
    return { asked, resolve, answer: (host: string) => coming.get(host)?.() };
  };
  const policy = createAddressPolicy({ allowCidrs: ["127.0.0.0/8"] });

  test("is shared until its answer comes, and that is as old as it is here", async () => {
    const { asked, resolve, answer } = createResolver();
    let now = 0;
    const guard = createGuard({ policy, resolve, now: () => now });
    const first = guard.check("shop.test", 80);
    now = 60_000;
    const second = guard.check("shop.test", 80);
    await turnOfEvents();
    answer("shop.test");
    await Promise.all([first, second]);
    now = 69_999;
    await guard.check("shop.test", 80);
    assert.deepEqual(asked, ["shop.test"]);
    now = 70_000;
    const later = guard.check("shop.test", 80);
    await turnOfEvents();
    assert.equal(asked.length, 2);
    answer("shop.test");
    await later;
  });

  test("that is made anew keeps nobody from a connection that is open, and what was known where it fails", async () => {
    let now = 0;
    const coming: PromiseWithResolvers<typeof FOUND>[] = [];
    const resolve = () => {
      const answer = Promise.withResolvers<typeof FOUND>();
      coming.push(answer);
      return answer.promise;
    };
    const guard = createGuard({ policy, resolve, now: () => now });
    const { signal } = new AbortController();
    const met = guard.meetName("shop.test", signal);
    await turnOfEvents();
    coming[0]?.resolve(FOUND);
    await met;
    now = 60_000;
    const renewal = guard.check("shop.test", 80);
    assert.equal(guard.meetName("shop.test", signal), null);
    await turnOfEvents();
    coming[1]?.reject(new Error("no answer"));
    await assert.rejects(renewal);
    assert.equal(guard.meetName("shop.test", signal), null);
    const again = guard.check("shop.test", 80);
    await turnOfEvents();
    coming[2]?.resolve(FOUND);
    await again;
  });

  test("takes no time away from the connection, nor from the whole download", async () => {
    const server = await startServer("127.0.0.1");
    const path = join(await createTestFolder(), "file");
    let now = 0;
    const downloader = createTestDownloader({
      policy,
      resolve: () => new Promise((settle) => void setTimeout(() => settle(FOUND), 700)),
      limits: { ...SHORT_LIMITS, connectMs: 600, firstByteMs: 600, totalMs: 600 },
      now: () => now,
    });
    // The first time no place is held meanwhile. Later a connection asks for it, and only where there is to be a new one.
    for (const time of ["first", "later"]) {
      const result = await downloader.download({ url: `http://shop.test:${server.port}/`, path, signal: AbortSignal.timeout(20_000) });
      assert.ok(result.ok, `${time}: ${JSON.stringify(result)}`);
      now += 60_000;
    }
  });

  test("of one host is in the way of no other, and who is called off waits no longer", async () => {
    const server = await startServer("127.0.0.1");
    const folder = await createTestFolder();
    const { asked, resolve } = createResolver();
    const downloader = createTestDownloader({ policy, resolve, max: 1 });
    const abort = new AbortController();
    const called = downloader.download({ url: `http://slow.test:${server.port}/`, path: join(folder, "slow"), signal: abort.signal });
    const other = { url: `http://127.0.0.1:${server.port}/`, path: join(folder, "other"), signal: AbortSignal.timeout(20_000) };
    assert.ok((await downloader.download(other)).ok);
    assert.deepEqual([asked, downloader.waiting], [["slow.test"], 1]);
    abort.abort(new Error("called off"));
    await assert.rejects(called, /called off/);
    assert.equal(downloader.waiting, 0);
  });

  test("has a deadline of its own from when it is its turn, of which the failure speaks", async () => {
    const { asked, resolve, answer } = createResolver();
    const heard: string[] = [];
    const downloader = createTestDownloader({
      policy,
      resolve,
      limits: { ...SHORT_LIMITS, lookUpMs: 200 },
      max: 64,
      hosts: { ...NO_WATCH, onFailure: (host, { code }) => void heard.push(`${host} ${code}`) },
    });
    const folder = await createTestFolder();
    const download = (host: string) =>
      downloader.download({ url: `http://${host}:1/`, path: join(folder, host), signal: AbortSignal.timeout(20_000) });
    const hosts = Array.from({ length: 32 }, (_, index) => `mute-${index}.test`);
    const mute = hosts.map(download);
    const last = download("last.test");
    for (const result of await Promise.all(mute)) {
      const failure = result.ok ? null : result.failure;
      assert.deepEqual([failure?.code, failure?.detail], ["dns_failed", "The host name could not be looked up within 0.2 s."]);
    }
    assert.deepEqual(
      heard,
      hosts.map((host) => `${host}:1 dns_failed`),
    );
    // Those go on in the resolver, and whoever asks for them again waits for the same answer.
    assert.deepEqual(asked, hosts);
    const again = download("mute-0.test");
    await turnOfEvents();
    answer("mute-0.test");
    await turnOfEvents();
    answer("last.test");
    for (const result of await Promise.all([again, last])) assert.equal(result.ok ? "ok" : result.failure.code, "connect_failed");
    assert.deepEqual(asked, [...hosts, "last.test"]);
  });

  test("that fails ends no more of the images of its host than are asked for at once, once that is paused for it", async () => {
    const { asked, resolve } = createResolver();
    let isPaused = false;
    const failing: Resolve = async (host) => {
      void resolve(host);
      throw Object.assign(new Error("no such host"), { code: "ENOTFOUND" });
    };
    const hosts = { ...NO_WATCH, isPaused: () => isPaused, onFailure: () => void (isPaused = true) };
    const downloader = createTestDownloader({ policy, resolve: failing, hosts, perHostMax: 2 });
    const path = join(await createTestFolder(), "file");
    const ends = await Promise.all(
      Array.from({ length: 5 }, () =>
        downloader.download({ url: "http://gone.test/", path, signal: AbortSignal.timeout(20_000) }).then(
          (result) => (result.ok ? "ok" : result.failure.code),
          (error: unknown) => (error instanceof HostPaused ? "paused" : error),
        ),
      ),
    );
    assert.deepEqual(ends, ["dns_failed", "dns_failed", "paused", "paused", "paused"]);
    assert.equal(asked.length, 1);
  });
});
