import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createHash, randomBytes } from "node:crypto";
import { createServer as createTcpServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { before, describe, test } from "node:test";
import { createAddressPolicy } from "../../src/domain/url/address-policy.ts";
import { DOWNLOAD_LIMITS } from "../../src/net/download-limits.ts";
import { HostPaused, NO_WATCH, type HostWatch } from "../../src/net/host-watch.ts";
import type { Download } from "../../src/net/download-order.ts";
import type { SourceHeaders } from "../../src/domain/secret/source-headers.ts";
import type { StageFailure, StageResult } from "../../src/domain/image/stage-result.ts";
import type { Validators } from "../../src/net/request-headers.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDownloader, SHORT_LIMITS } from "../support/downloader.ts";
import { createTestFolder } from "../support/folder.ts";
import { startOrigin, type Origin } from "../support/origin.ts";

const BODY = randomBytes(300_000);
const LARGE = randomBytes(3_000_000);
const ZEROS = Buffer.alloc(300_000);

const asUtf8 = (text: string) => Buffer.from(text).toString("latin1");
const BOMB_BYTES = 4_000_000;
/** Bodies of an origin that compresses whatever is asked for. */
const PACKED: Record<string, Buffer> = {
  gzip: gzipSync(LARGE),
  deflate: deflateSync(LARGE),
  "raw deflate": deflateRawSync(LARGE),
  br: brotliCompressSync(LARGE, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
  "gzip with zeros behind it": Buffer.concat([gzipSync(LARGE), Buffer.alloc(200_000)]),
  "gzip with more behind it": Buffer.concat([gzipSync(LARGE), Buffer.alloc(200_000, 7)]),
  "br with more behind it": Buffer.concat([brotliCompressSync(BODY), Buffer.alloc(200_000, 7)]),
  "deflate with more behind it": Buffer.concat([deflateSync(LARGE), Buffer.alloc(200_000, 7)]),
  // All of it has come out while the last of the rest still is to be read.
  "br of zeros with more behind it": Buffer.concat([brotliCompressSync(ZEROS), Buffer.alloc(100_000, 7)]),
  "deflate of zeros with more behind it": Buffer.concat([deflateSync(ZEROS), Buffer.alloc(100_000, 7)]),
  "gzip bomb": gzipSync(Buffer.alloc(BOMB_BYTES)),
  "br bomb": brotliCompressSync(Buffer.alloc(BOMB_BYTES)),
  "gzip cut": gzipSync(LARGE).subarray(0, -100_000),
  "gzip without its end": gzipSync(BODY).subarray(0, -4),
  "br cut": brotliCompressSync(BODY).subarray(0, -1_000),
  "no gzip": BODY,
  // Random bytes are brotli once in ten times, if only its beginning.
  "no brotli": Buffer.alloc(1_000, 0xff),
  "gzip of other bytes": Buffer.concat([gzipSync(BODY).subarray(0, -8), Buffer.alloc(8)]),
};

/** As they are written, a character a byte, and as they are asked for. The last byte of `à` is a blank in Unicode. */
const RAW_LOCATIONS = [
  [asUtf8("/ziel/ü.jpg"), "/ziel/%C3%BC.jpg"],
  [asUtf8("/ziel/città"), "/ziel/citt%C3%A0"],
  ["/ziel/\xf6.jpg", "/ziel/%f6.jpg"],
] as const;

describe("a download", { timeout: 60_000 }, () => {
  let origin: Origin;
  let folder: string;
  let count = 0;
  /** Addresses that the canary on a refused address was reached with. */
  let canary: Origin;

  before(async () => {
    folder = await createTestFolder();
    canary = await startOrigin((_, response) => response.end(BODY));
    origin = await startOrigin((request, response, url) => answer(url, response, request.headers as Record<string, string>));
  });

  const answer = (url: URL, response: ServerResponse, headers: Record<string, string>): unknown => {
    const [, kind, argument] = url.pathname.split("/");
    switch (kind) {
      case "body":
        return response
          .setHeader("etag", '"tag"')
          .setHeader("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
          .setHeader("content-length", BODY.length)
          .end(BODY);
      case "dated": {
        const [modified = "", date = "", tag = ""] = decodeURIComponent(argument ?? "").split("|");
        response.sendDate = false;
        if (date !== "") response.setHeader("date", date);
        if (tag !== "") response.setHeader("etag", tag);
        return response.setHeader("last-modified", modified).end(BODY);
      }
      case "large":
        return response.end(LARGE);
      case "empty":
        return response.end();
      case "status":
        return response.writeHead(Number(argument), { "retry-after": "7" }).end("no");
      case "later": {
        const at = (ms: number) => new Date(Date.parse("Thu, 01 Jan 2099 00:00:00 GMT") + ms).toUTCString();
        return response.writeHead(503, { date: at(0), "retry-after": at(5_000) }).end();
      }
      case "failing":
        return response.writeHead(500).end();
      case "closing":
        return response.destroy();
      case "packed": {
        const [coding = "", file = ""] = decodeURIComponent(argument ?? "").split("|");
        const body = PACKED[file] ?? Buffer.alloc(0);
        return response.writeHead(200, { "content-encoding": coding, "content-length": body.length, etag: '"p"' }).end(body);
      }
      case "encoding":
        return response.end(headers["accept-encoding"] ?? "");
      case "cut":
        return response.writeHead(200, { "content-length": "1000" }).write("half", () => response.destroy());
      case "cut-chunked":
        return response.writeHead(200).write("half", () => response.destroy());
      case "silent":
        return undefined;
      case "standing-still":
        standStill();
        return response.end(BODY);
      case "busy": {
        const again = setInterval(standStill, 200);
        return response.on("close", () => clearInterval(again));
      }
      case "stalling":
        return response.writeHead(200, { "content-length": "1000" }).write("half");
      case "trickling": {
        response.writeHead(200);
        const drip = setInterval(() => response.write("."), 20);
        return response.on("close", () => clearInterval(drip));
      }
      case "bursting": {
        response.writeHead(200).write("x".repeat(250));
        const drip = setInterval(() => response.write("."), 20);
        return response.on("close", () => clearInterval(drip));
      }
      case "hop":
        return response.writeHead(302, { location: Number(argument) === 0 ? "/body" : `/hop/${Number(argument) - 1}` }).end();
      case "ziel":
        return response.end(BODY);
      case "raw-location":
        // As a server that has decoded a path writes it back, byte by byte.
        return response.socket?.end(
          Buffer.from(`HTTP/1.1 302 Found\r\nLocation: ${RAW_LOCATIONS[Number(argument)]?.[0]}\r\nContent-Length: 0\r\n\r\n`, "latin1"),
        );
      case "length-twice":
        return response.socket?.end("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello");
      case "current":
        return response.writeHead(302, { location: `/version/${argument}` }).end();
      case "version":
        // Two files that bear the same tag, as a counter of each one's changes gives it.
        if (headers["if-none-match"] === '"1"') return response.writeHead(304).end();
        return response.setHeader("etag", '"1"').end(`version ${argument}`);
      case "to":
        return response.writeHead(302, { location: decodeURIComponent(argument ?? "") }).end();
      default:
        return response.writeHead(404).end();
    }
  };

  const download = async (
    url: string,
    options: {
      limits?: Partial<typeof SHORT_LIMITS>;
      allow?: string[];
      resolve?: (host: string) => Promise<{ address: string; family: number }[]>;
      signal?: AbortSignal;
      validators?: Validators;
      onBody?: (bytes: number | null) => void;
    } = {},
  ) => {
    count += 1;
    const path = join(folder, `${count}.tmp`);
    const downloader = createTestDownloader({
      limits: { ...SHORT_LIMITS, ...options.limits },
      ...(options.allow ? { policy: createAddressPolicy({ allowCidrs: options.allow }) } : {}),
      ...(options.resolve ? { resolve: options.resolve } : {}),
    });
    try {
      const { validators, onBody = () => {}, signal = new AbortController().signal } = options;
      const result = await downloader.download({ url, path, signal, onBody, ...(validators ? { validators } : {}) });
      assert.equal(existsSync(path), result.ok && result.value.status !== 304, "a file is whole at its path or not there");
      return { ...result, path };
    } finally {
      downloader.close();
    }
  };
  const failureOf = (result: StageResult<Download>) => {
    assert.ok(!result.ok, "it succeeded");
    return result.failure;
  };

  test("asks only the URL that gave a tag or a date whether it still holds, wherever the way there leads today", async () => {
    const first = await download(`${origin.url}/current/1`);
    assert.ok(first.ok);
    const validators = { of: first.value.finalUrl, etag: first.value.etag, lastModified: null };
    const again = await download(`${origin.url}/current/1`, { validators });
    assert.ok(again.ok);
    assert.equal(again.value.status, 304);
    const other = await download(`${origin.url}/current/2`, { validators });
    assert.ok(other.ok);
    assert.deepEqual([other.value.status, other.value.head.toString()], [200, "version 2"]);
  });

  test("keeps a date to ask by only where a file replaced within its second would have another one", async () => {
    const at = (second: number) => `Thu, 01 Jan 2026 00:00:0${second} GMT`;
    const lastModified = async (...given: string[]) => {
      const result = await download(`${origin.url}/dated/${encodeURIComponent(given.join("|"))}`);
      assert.ok(result.ok);
      return result.value.lastModified;
    };
    assert.equal(await lastModified(at(5), at(5)), null);
    assert.equal(await lastModified(at(5), at(4)), null, "from the future");
    assert.equal(await lastModified(at(5), at(6)), at(5));
    assert.equal(await lastModified(at(5), at(5), '"v1"'), at(5), "the tag decides");
    assert.equal(await lastModified(at(5), at(5), "*"), null, "this is none");
    assert.equal(await lastModified(at(5)), at(5), "its server has no clock");
    assert.equal(await lastModified(at(5), "now"), at(5));
    assert.equal(await lastModified("v5", at(5)), "v5", "no date, and not asked for as one");
  });

  for (const [index, [, asked]] of RAW_LOCATIONS.entries())
    test(`asks for the very bytes of a Location that was not encoded: ${asked}`, async () => {
      const result = await download(`${origin.url}/raw-location/${index}`);
      assert.ok(result.ok, JSON.stringify(result));
      assert.equal(result.value.finalUrl, origin.url + asked);
    });

  test("takes a length that is said more than once as one number", async () => {
    const said: (number | null)[] = [];
    const result = await download(`${origin.url}/length-twice`, { onBody: (bytes) => said.push(bytes) });
    assert.ok(result.ok, JSON.stringify(result));
    assert.deepEqual([said, result.value.bytes], [[5], 5]);
    const refused = await download(`${origin.url}/length-twice`, { limits: { bytesMax: 4 }, onBody: (bytes) => said.push(bytes) });
    assert.equal(failureOf(refused).code, "too_large");
    assert.deepEqual(said, [5]);
  });

  test("says why a redirect is not followed, and what a cut body lacks", async () => {
    const to = (location: string) => download(`${origin.url}/to/${encodeURIComponent(location)}`);
    assert.match(failureOf(await to("http://name:word@127.0.0.1/")).detail, /a user name or password in it/);
    assert.match(failureOf(await to("ftp://127.0.0.1/")).detail, /not an http or https URL/);
    assert.match(failureOf(await download(`${origin.url}/cut-chunked`)).detail, /ended before the whole file had come/);
    assert.match(failureOf(await download(`${origin.url}/cut`)).detail, /ended before the 1000 bytes of the file had come/);
  });

  test("is written whole, hashed, with what the server said of it", async () => {
    for (const [path, body] of [
      ["body", BODY],
      ["large", LARGE],
      ["empty", Buffer.alloc(0)],
    ] as const) {
      const result = await download(`${origin.url}/${path}`);
      assert.ok(result.ok);
      assert.ok((await readFile(result.path)).equals(body), path);
      assert.equal(result.value.bytes, body.length);
      assert.equal(result.value.sha256, createHash("sha256").update(body).digest("hex"));
      assert.ok(body.subarray(0, result.value.head.length).equals(result.value.head));
    }
    const result = await download(`${origin.url}/body`);
    assert.ok(result.ok);
    assert.deepEqual([result.value.etag, result.value.lastModified, result.value.status], ['"tag"', "Thu, 01 Jan 2026 00:00:00 GMT", 200]);
  });

  test("follows five redirects and no sixth", async () => {
    const followed = await download(`${origin.url}/hop/4`);
    assert.ok(followed.ok);
    assert.equal(followed.value.finalUrl, `${origin.url}/body`);
    assert.equal(failureOf(await download(`${origin.url}/hop/5`)).code, "too_many_redirects");
  });

  test("redirected to something that is no web address is an error of the server", async () => {
    for (const target of ["file:///etc/passwd", "ftp://shop.test/", "http://user:secret@127.0.0.1/", "data:text/plain,x"]) {
      assert.equal(failureOf(await download(`${origin.url}/to/${encodeURIComponent(target)}`)).code, "http_error", target);
    }
  });

  test("says in one code what the status means, and whether to try again", async () => {
    const expected: [number, string, boolean][] = [
      [400, "http_error", false],
      [401, "unauthorized", false],
      [403, "forbidden", false],
      [404, "not_found", false],
      [408, "server_error", true],
      [410, "not_found", false],
      [425, "server_error", true],
      [429, "rate_limited", true],
      [500, "server_error", true],
      [502, "server_error", true],
      [503, "server_error", true],
      [204, "http_error", false],
      [206, "http_error", false],
    ];
    for (const [status, code, retry] of expected) {
      const failure = failureOf(await download(`${origin.url}/status/${status}`));
      assert.deepEqual([failure.code, failure.retry], [code, retry], String(status));
      if (retry) assert.equal(failure.retryAfterMs, 7_000);
    }
    assert.equal(failureOf(await download(`${origin.url}/later`)).retryAfterMs, 5_000, "by the server's clock");
  });

  test("says where the file's own link has expired, which many statuses can mean, and not of one that a redirect led to", async () => {
    const PAST = "X-Amz-Date=20130721T201207Z&X-Amz-Expires=60&X-Amz-Signature=s3cret";
    const expired = " The link expired at 2013-07-21T20:13:07.000Z; export the file again for fresh links.";
    const detailOf = async (path: string) => failureOf(await download(`${origin.url}/${path}`)).detail;
    for (const status of [400, 401, 403])
      assert.equal(await detailOf(`status/${status}?${PAST}`), `The server answered with status ${status}.${expired}`);
    assert.equal(await detailOf(`status/404?${PAST}`), "The server answered with status 404.");
    assert.equal(await detailOf(`status/403?${PAST.replace("2013", "2098")}`), "The server answered with status 403.");
    const to = encodeURIComponent(`${origin.url}/status/403?${PAST}`);
    assert.equal(await detailOf(`to/${to}`), "The server answered with status 403.");
    assert.equal(await detailOf(`to/${to}?${PAST}`), `The server answered with status 403.${expired}`);
  });

  test("counts what comes, whatever was announced", async () => {
    assert.equal(failureOf(await download(`${origin.url}/body`, { limits: { bytesMax: 1_000 } })).code, "too_large");
    assert.equal(failureOf(await download(`${origin.url}/large`, { limits: { bytesMax: LARGE.length - 1 } })).code, "too_large");
    assert.ok((await download(`${origin.url}/large`, { limits: { bytesMax: LARGE.length } })).ok);
  });

  test("that ends early is truncated and can be tried again", async () => {
    for (const path of ["cut", "cut-chunked"]) {
      const failure = failureOf(await download(`${origin.url}/${path}`));
      assert.deepEqual([failure.code, failure.retry], ["truncated", true], path);
    }
  });

  const packed = (coding: string, file: string) => `${origin.url}/packed/${encodeURIComponent(`${coding}|${file}`)}`;

  test("asks for the bytes as they are", async () => {
    const asked = await download(`${origin.url}/encoding`);
    assert.ok(asked.ok);
    assert.equal(asked.value.head.toString(), "identity");
  });

  test("unpacks what an origin compresses all the same", async () => {
    for (const [coding, file, body] of [
      ["gzip", "gzip", LARGE],
      ["x-gzip", "gzip", LARGE],
      ["deflate", "deflate", LARGE],
      ["deflate", "raw deflate", LARGE],
      ["BR", "br", LARGE],
      ["gzip", "gzip with zeros behind it", LARGE],
      ["deflate", "deflate with more behind it", LARGE],
      ["br", "br with more behind it", BODY],
      ...Array.from({ length: 5 }, () => ["br", "br of zeros with more behind it", ZEROS] as const),
      ...Array.from({ length: 5 }, () => ["deflate", "deflate of zeros with more behind it", ZEROS] as const),
    ] as const) {
      const announced: (number | null)[] = [];
      const result = await download(packed(coding, file), { onBody: (bytes) => void announced.push(bytes) });
      assert.ok(result.ok, `${file}: ${JSON.stringify(result)}`);
      const { bytes, sha256, head, etag } = result.value;
      assert.deepEqual([bytes, sha256, etag], [body.length, createHash("sha256").update(body).digest("hex"), '"p"'], file);
      assert.ok((await readFile(result.path)).equals(body) && head.equals(body.subarray(0, head.length)) && head.length > 0, file);
      assert.deepEqual(announced, [null], "its length is that of something else");
      assert.equal(existsSync(`${result.path}.packed`), false);
    }
  });

  test("refuses what cannot be unpacked, and what is too large then", async () => {
    for (const [coding, file, code, detail] of [
      ["gzip", "gzip bomb", "too_large", /1000000 bytes/],
      ["br", "br bomb", "too_large", /1000000 bytes/],
      ["gzip", "gzip cut", "truncated", /gzip\), and it ends before it is whole/],
      ["gzip", "gzip without its end", "truncated", /whole/],
      ["br", "br cut", "truncated", /whole/],
      ["gzip", "no gzip", "http_error", /gzip\), and it cannot be unpacked \(Z_DATA_ERROR/],
      ["gzip", "gzip of other bytes", "http_error", /Z_DATA_ERROR/],
      ["gzip", "gzip with more behind it", "http_error", /Z_DATA_ERROR/],
      ["br", "no brotli", "http_error", /br\), and it cannot be unpacked/],
      ["zstd", "gzip", "http_error", /zstd\) although only identity/],
      ["gzip, br", "gzip", "http_error", /gzip, br\) although only identity/],
    ] as const) {
      const bytesMax = code === "too_large" ? 1_000_000 : 2 * LARGE.length;
      const result = await download(packed(coding, file), { limits: { bytesMax } });
      const failure = failureOf(result);
      assert.equal(failure.code, code, `${file}: ${failure.detail}`);
      assert.match(failure.detail, detail, file);
      assert.equal(existsSync(`${result.path}.packed`), false, file);
    }
  });

  test("has a deadline for the answer, for silence and for the whole", async () => {
    for (const [path, word] of [
      ["silent", /No answer/],
      ["stalling", /Nothing came/],
      ["trickling", /whole download/],
    ] as const) {
      const startedAt = performance.now();
      const failure = failureOf(await download(`${origin.url}/${path}`));
      assert.equal(failure.code, "timed_out", path);
      assert.match(failure.detail, word);
      assert.ok(performance.now() - startedAt < 1_500, path);
    }
  });

  test("that is in progress while the process stands still gets its time anew", async () => {
    const went = await download(`${origin.url}/standing-still`);
    assert.ok(went.ok, JSON.stringify(went));
    assert.equal(failureOf(await download(`${origin.url}/busy`)).code, "timed_out", "and no more than once");
  });

  test("that comes too slowly is given up long before its deadline, and one that is fast enough is not", async () => {
    const slow = failureOf(await download(`${origin.url}/trickling`, { limits: { rateBytesMin: 100, rateMs: 200, totalMs: 5_000 } }));
    assert.deepEqual([slow.code, slow.retry], ["timed_out", true]);
    assert.match(slow.detail, /less than 100 bytes a second for 200 ms/);
    // 50 bytes a second, measured again and again; on a busy machine fewer.
    assert.match(
      failureOf(await download(`${origin.url}/trickling`, { limits: { rateBytesMin: 5, rateMs: 400, totalMs: 1_500 } })).detail,
      /whole download/,
    );
    assert.match(
      failureOf(await download(`${origin.url}/bursting`, { limits: { rateBytesMin: 1_000, rateMs: 200, totalMs: 5_000 } })).detail,
      /less than/,
      "what came before a stretch does not count in it",
    );
  });

  test("has a deadline for the connection, TLS included", async () => {
    const sockets = new Set<Socket>();
    const mute = createTcpServer((socket) => sockets.add(socket)).listen(0, "127.0.0.1");
    onCleanup(() => {
      for (const socket of sockets) socket.destroy();
      mute.close();
    });
    await new Promise((resolve) => mute.once("listening", resolve));
    const failure = failureOf(await download(`https://127.0.0.1:${(mute.address() as AddressInfo).port}/`));
    assert.equal(failure.code, "timed_out");
    assert.match(failure.detail, /No connection/);
  });

  test("says what kept it from connecting", async () => {
    assert.equal(failureOf(await download("http://127.0.0.1:1/")).code, "connect_failed");
    const tls = failureOf(await download(`https://127.0.0.1:${new URL(origin.url).port}/`));
    assert.equal(tls.code, "tls_failed");
    assert.match(tls.detail, /^The TLS connection failed \(EPROTO\): (wrong version number|packet length too long)\.$/);
    const dns = failureOf(
      await download("http://nowhere.test/", {
        resolve: async () => Promise.reject(Object.assign(new Error("no such host"), { code: "ENOTFOUND" })),
      }),
    );
    assert.deepEqual([dns.code, dns.retry], ["dns_failed", true]);
  });

  test("that its caller breaks off leaves no file and no deadline", async () => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error("stop")), 50);
    await assert.rejects(download(`${origin.url}/stalling`, { signal: abort.signal }), /stop/);
    assert.equal(existsSync(join(folder, `${count}.tmp`)), false);
  });

  test("beyond those that may run at once waits in order, and who is called off leaves the queue", async () => {
    const downloader = createTestDownloader({ limits: SHORT_LIMITS, max: 1 });
    const asked: string[] = [];
    const start = (name: string, signal: AbortSignal) => {
      const path = join(folder, `${(count += 1)}.tmp`);
      return downloader.download({ url: `${origin.url}/body?${name}`, path, signal, onAsked: () => void asked.push(name) });
    };
    const [never, calledOff] = [new AbortController(), new AbortController()];
    const [first, second, third, fourth] = [
      start("first", never.signal),
      start("second", never.signal),
      start("third", calledOff.signal),
      start("fourth", never.signal),
    ];
    calledOff.abort(new Error("called off"));
    await assert.rejects(third, /called off/);
    assert.equal(downloader.waiting, 0, "none of them waits for its host");
    for (const download of [first, second, fourth]) assert.ok((await download).ok);
    assert.deepEqual(asked, ["first", "second", "fourth"]);
    assert.ok((await start("fifth", never.signal)).ok, "the place of the last is free again");
  });

  test("waits for room where a redirect leads: not in its own time, nor in the way of the host that it came from", async () => {
    const target = await startOrigin((_, response) => void setTimeout(() => response.end(BODY), 250));
    const limits = { ...SHORT_LIMITS, connectMs: 900, firstByteMs: 900 };
    const downloader = createTestDownloader({ limits, perHostMax: 1 });
    const ended: string[] = [];
    const start = async (name: string, url: string) => {
      const path = join(folder, `${(count += 1)}.tmp`);
      const result = await downloader.download({ url, path, signal: AbortSignal.timeout(10_000) });
      ended.push(result.ok ? name : `${name} ${result.failure.code}`);
    };
    // The last one waits for a second.
    const names = ["first", "second", "third", "fourth", "fifth"];
    const there = names.map((name) => start(name, `${origin.url}/to/${encodeURIComponent(`${target.url}/${name}`)}`));
    await Promise.all([...there, start("here", `${origin.url}/body`)]);
    assert.deepEqual(ended, ["here", ...names]);
  });

  describe("of a URL that a redirect gave, which its host refuses,", () => {
    /** Of two that come to their host together, of which it serves one at a time. */
    const mayBeRetried = async (urls: string[], redirectFreshMs: number) => {
      const downloader = createTestDownloader({ limits: { ...DOWNLOAD_LIMITS, redirectFreshMs }, perHostMax: 1 });
      const results = urls.map((url) =>
        downloader.download({ url, path: join(folder, `${(count += 1)}.tmp`), signal: AbortSignal.timeout(10_000) }),
      );
      return (await Promise.all(results)).map((result) => !result.ok && result.failure.code === "forbidden" && result.failure.retry);
    };
    const refuseAfter = (ms: number) => startOrigin((_, response) => void setTimeout(() => response.writeHead(403).end(), ms));
    const names = ["first", "second"];
    const madeFor = (target: string) => names.map((name) => `${origin.url}/to/${encodeURIComponent(`${target}/${name}?signature=s`)}`);

    test("may be tried again where it can have expired while it waited for its host", async () => {
      const urls = madeFor((await refuseAfter(100)).url);
      assert.deepEqual(await mayBeRetried(urls, 50), [false, true]);
      assert.deepEqual(await mayBeRetried(urls, 5_000), [false, false]);
    });

    test("may be tried again where it waited for a good quarter of a second, since some live for a few", async () => {
      const urls = madeFor((await refuseAfter(350)).url);
      assert.deepEqual(await mayBeRetried(urls, DOWNLOAD_LIMITS.redirectFreshMs), [false, true]);
    });

    test("is refused for good, however long it waited, where it is the same at another host, and no redirect before had made it", async () => {
      const target = await refuseAfter(350);
      const mover = await startOrigin(({ url = "" }, response) => void response.writeHead(302, { location: target.url + url }).end());
      const moved = names.map((name) => `${mover.url}/${name}?v=1`);
      assert.deepEqual(await mayBeRetried(moved, 150), [false, false]);
      assert.deepEqual(await mayBeRetried(madeFor(mover.url), 150), [false, true]);
    });
  });

  describe("of a host that is paused", () => {
    const paused = new Set<string>();
    const onTrial = new Set<string>();
    const heard: string[] = [];
    const start = () => {
      paused.clear();
      heard.length = 0;
      const hosts: HostWatch = {
        ...NO_WATCH,
        isPaused: (host) => paused.has(host),
        admits: (host) => !paused.has(host) && !onTrial.has(host),
        onSuccess: (host) => void heard.push(`${host} ok`),
        onFailure: (host, { code }) => void heard.push(`${host} ${code}`),
      };
      const downloader = createTestDownloader({
        policy: createAddressPolicy({ allowCidrs: ["127.0.0.0/8"] }),
        limits: SHORT_LIMITS,
        perHostMax: 1,
        hosts,
      });
      return {
        downloader,
        download: (url: string, more: { validators?: Validators; isAgain?: boolean } = {}) =>
          downloader.download({ url, path: join(folder, `${(count += 1)}.tmp`), signal: AbortSignal.timeout(5_000), ...more }),
      };
    };

    test("is not begun, not even where it waited for its turn when the pause began", async () => {
      const { downloader, download } = start();
      origin.hits.delete("/silent");
      const [first, second] = [download(`${origin.url}/silent?first`), download(`${origin.url}/body?second`)];
      second.catch(() => {});
      while (downloader.waiting === 0 || !origin.hits.has("/silent")) await new Promise((resolve) => setImmediate(resolve));
      paused.add(new URL(origin.url).host);
      const hits = origin.hits.get("/body");
      await first;
      await assert.rejects(second, HostPaused);
      await assert.rejects(download(`${origin.url}/body`), HostPaused);
      assert.equal(origin.hits.get("/body"), hits);
    });

    test("is not begun where a redirect leads there, and every host on the way has its own news", async () => {
      const { download } = start();
      const [here, there] = [new URL(origin.url).host, new URL(canary.url).host];
      const to = (path: string) => `${origin.url}/to/${encodeURIComponent(`${canary.url}${path}`)}`;
      assert.ok((await download(to("/"))).ok);
      assert.deepEqual(heard, [`${here} ok`, `${there} ok`]);
      await download(`${origin.url}/status/503`);
      await download("http://127.0.0.1:1/");
      assert.deepEqual(heard.slice(2), [`${here} server_error`, "127.0.0.1:1 connect_failed"]);
      paused.add(there);
      await assert.rejects(download(to("/")), (error) => error instanceof HostPaused && error.host === there);
      await assert.rejects(download(to("/"), { isAgain: true }), HostPaused);
      paused.delete(there);
      onTrial.add(there);
      await assert.rejects(download(to("/")), HostPaused);
      assert.ok((await download(to("/"), { isAgain: true })).ok, "the one that tries it");
      onTrial.delete(there);
      canary.hits.clear();
    });
  });

  test("tells no host of a failure that may be its condition's, and of every other one", async () => {
    const heard: string[] = [];
    const hosts = { ...NO_WATCH, onFailure: (_: string, { code }: StageFailure) => void heard.push(code) };
    const downloader = createTestDownloader({ limits: SHORT_LIMITS, hosts });
    const isOfCondition = async (url: string, of = url) => {
      const validators = { of, etag: '"1"', lastModified: null };
      const path = join(folder, `${(count += 1)}.tmp`);
      return failureOf(await downloader.download({ url, path, signal: AbortSignal.timeout(5_000), validators })).isOfCondition === true;
    };
    for (const path of ["failing", "closing"]) assert.equal(await isOfCondition(`${origin.url}/${path}`), true, path);
    assert.deepEqual(heard, []);
    // It says that it is busy, or for how long; it does not answer; there is no connection; it was asked without the condition.
    for (const url of [`${origin.url}/status/503`, `${origin.url}/status/500`, `${origin.url}/silent`, "http://127.0.0.1:1/"])
      assert.equal(await isOfCondition(url), false, url);
    assert.equal(await isOfCondition(`${origin.url}/failing`, `${origin.url}/other`), false);
    assert.deepEqual(heard, ["server_error", "server_error", "timed_out", "connect_failed", "server_error"]);
  });

  describe("with headers for an origin", () => {
    const sent: [string, string | undefined][] = [];
    const start = async () => {
      sent.length = 0;
      const other = await startOrigin((request, response, url) => {
        sent.push([`other${url.pathname}`, request.headers.authorization]);
        if (url.pathname === "/back") response.writeHead(302, { location: `${own.url}/protected` }).end();
        else response.end("body");
      });
      const own = await startOrigin((request, response, url) => {
        sent.push([`own${url.pathname}`, request.headers.authorization]);
        if (url.pathname === "/away") response.writeHead(302, { location: `${other.url}/file` }).end();
        else if (url.pathname === "/forth") response.writeHead(307, { location: `${other.url}/back` }).end();
        else response.writeHead(request.headers.authorization === "Bearer abc" ? 200 : 401).end("body");
      });
      return {
        own,
        other,
        sourceHeaders: [{ host: new URL(own.url).host, headers: { authorization: "Bearer abc", "user-agent": "shop/1" } }],
      };
    };
    const fetchFrom = (url: string, sourceHeaders: SourceHeaders[], isNamed = true) => {
      const policy = createAddressPolicy({ allowCidrs: ["127.0.0.1/32"] });
      const downloader = createTestDownloader({
        policy: isNamed ? policy : { ...policy, isNamed: () => false },
        limits: SHORT_LIMITS,
      });
      return downloader.download({ url, path: join(folder, `${(count += 1)}.tmp`), signal: AbortSignal.timeout(5_000), sourceHeaders });
    };

    test("sends them to that host and port alone, wherever redirects lead", async () => {
      const { own, other, sourceHeaders } = await start();
      for (const path of ["/protected", "/away", "/forth"]) assert.ok((await fetchFrom(`${own.url}${path}`, sourceHeaders)).ok, path);
      assert.ok((await fetchFrom(`${other.url}/file`, sourceHeaders)).ok);
      assert.deepEqual(sent, [
        ["own/protected", "Bearer abc"],
        ["own/away", "Bearer abc"],
        ["other/file", undefined],
        ["own/forth", "Bearer abc"],
        ["other/back", undefined],
        ["own/protected", "Bearer abc"],
        ["other/file", undefined],
      ]);
    });

    test("ends nothing but itself where it is called off while the next hop's name is looked up", async () => {
      const lookedUp = Promise.withResolvers<void>();
      const held = Promise.withResolvers<ServerResponse>();
      const own = await startOrigin((_, response, url) => {
        if (url.pathname === "/held") held.resolve(response);
        else response.writeHead(302, { location: "http://shop.test/" }).end();
      });
      const downloader = createTestDownloader({
        limits: SHORT_LIMITS,
        async resolve() {
          lookedUp.resolve();
          return new Promise(() => {});
        },
      });
      const sourceHeaders = [{ host: "shop.test", headers: { authorization: "Bearer abc" } }];
      const fetch = (path: string, signal: AbortSignal) =>
        downloader.download({ url: `${own.url}${path}`, path: join(folder, `${(count += 1)}.tmp`), signal, sourceHeaders });
      const calledOff = new AbortController();
      const first = assert.rejects(fetch("/away", calledOff.signal), /called off/);
      await lookedUp.promise;
      const second = fetch("/held", AbortSignal.timeout(5_000));
      const response = await held.promise;
      calledOff.abort(new Error("called off"));
      response.end(BODY);
      assert.ok((await second).ok, JSON.stringify(await second));
      await first;
    });

    test("does not send them in the clear, except within a network that the operator names", async () => {
      const { own, sourceHeaders } = await start();
      const failure = failureOf(await fetchFrom(`${own.url}/protected`, sourceHeaders, false));
      assert.deepEqual(sent, [["own/protected", undefined]]);
      assert.equal(failure.code, "unauthorized");
      assert.match(failure.detail, /over https only/);
      assert.ok(!failureOf(await fetchFrom(`${own.url}/protected`, [])).detail.includes("https"));
    });
  });

  describe("of an address that is refused", () => {
    const blocked = async (url: string, options: Parameters<typeof download>[1] = {}) => {
      const failure = failureOf(await download(url, { allow: [], ...options }));
      assert.deepEqual([failure.code, failure.retry], ["address_blocked", false], url);
      assert.equal(canary.hits.size, 0, "the canary was reached");
    };

    test("decides on the address that is connected to, so that a second answer gains nothing", async () => {
      let asked = 0;
      const rebinding = async () => {
        asked += 1;
        return [{ address: asked === 1 ? "127.0.0.1" : "127.0.0.2", family: 4 }];
      };
      const result = await download(`http://shop.test:${new URL(origin.url).port}/body`, { resolve: rebinding });
      assert.ok(result.ok);
      assert.equal(asked, 1, "the name was looked up once, and that answer was used");
    });

    test("a port other than 80 and 443 is only open where the operator names the address", async () => {
      await blocked("http://93.184.216.34:6379/");
      await blocked("http://shop.test:5432/", { resolve: async () => [{ address: "93.184.216.34", family: 4 }] });
    });
  });
});

/** As on a machine that sleeps: no timer rings and nothing is read, for longer than any of the deadlines. */
function standStill(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
}
