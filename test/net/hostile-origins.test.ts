import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import tls from "node:tls";
import { Worker } from "node:worker_threads";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { IMAGE_CODES, type ImageCode } from "../../src/domain/image/image-code.ts";
import type { StageResult } from "../../src/domain/image/stage-result.ts";
import type { Download } from "../../src/net/download-order.ts";
import { DOWNLOAD_LIMITS } from "../../src/net/download-limits.ts";
import { netFailure } from "../../src/net/net-failure.ts";
import { makeCertificates, type Certificate } from "../support/certificates.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDownloader, SHORT_LIMITS } from "../support/downloader.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";

const BYTES_MAX = 100_000;
const LIMITS = { ...SHORT_LIMITS, bytesMax: BYTES_MAX };
/** The whole deadline, and what a busy machine adds. */
const SLOWEST_MS = LIMITS.totalMs + 600;
const OK = "HTTP/1.1 200 OK\r\n";
const WHOLE_PART = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-99/100\r\n";
const ENDLESS = 1_000_000;

/** Answers with 768 KiB in all, and in the same write with what nobody asked for. */
const STRAY_SERVER = `
  const OK = "HTTP/1.1 200 OK\\r\\nContent-Length: ";
  const answer = (path) => {
    const length = 786432 - (OK + "000000\\r\\n\\r\\n").length;
    return OK + length + "\\r\\n\\r\\n" + path.padEnd(length) + OK + "4\\r\\n\\r\\nevil";
  };
  const server = require("node:net").createServer((socket) =>
    socket.on("error", () => {}).on("data", (data) => socket.write(answer(String(data).split(" ")[1]))));
  server.listen(0, "127.0.0.1", () => require("node:worker_threads").parentPort.postMessage(server.address().port));`;

/** What a server does once it has been asked: it writes bytes as it likes, no HTTP library between. */
type Answer = (socket: Socket, path: string) => unknown;
type Case = [name: string, end: ImageCode | "ok", answer: Answer];

const say =
  (text: string | Buffer): Answer =>
  (socket) =>
    socket.end(text);
const sayAndStay =
  (text: string | Buffer): Answer =>
  (socket) =>
    socket.write(text);
const sayAndReset =
  (text: string): Answer =>
  (socket) =>
    text === "" ? socket.resetAndDestroy() : socket.write(text, () => setTimeout(() => socket.resetAndDestroy(), 20));
const redirect = (to: string) => say(`HTTP/1.1 302 Found\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`);

/** Says the beginning, then this again and again: as fast as it is taken, or piece by piece. */
const sayForEver =
  (beginning: string, piece: string | Buffer, everyMs = 0): Answer =>
  (socket) => {
    socket.write(beginning);
    let isOpen = true;
    socket.once("close", () => (isOpen = false));
    const next = (left: number) => {
      if (!isOpen || left === 0) return;
      socket.write(piece, () => (everyMs === 0 ? setImmediate(next, left - 1) : setTimeout(next, everyMs, left - 1)));
    };
    next(ENDLESS);
  };

const ZEROS = Buffer.alloc(20_000_000);
const packed = (name: string, body: Buffer) =>
  say(Buffer.concat([Buffer.from(`${OK}Content-Encoding: ${name}\r\nContent-Length: ${body.length}\r\n\r\n`), body]));

const CASES: Case[] = [
  ["a body that never ends", "too_large", sayForEver(`${OK}\r\n`, Buffer.alloc(10_000))],
  [
    "a chunked body that never ends",
    "too_large",
    sayForEver(`${OK}Transfer-Encoding: chunked\r\n\r\n`, `2710\r\n${"x".repeat(10_000)}\r\n`),
  ],
  [
    "a body of empty chunks' extensions that never ends",
    "http_error",
    sayForEver(`${OK}Transfer-Encoding: chunked\r\n\r\n1;`, "x".repeat(10_000)),
  ],
  [
    "trailers that never end",
    "http_error",
    sayForEver(`${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n`, `A: ${"x".repeat(1_000)}\r\n`),
  ],
  ["one byte at a time", "timed_out", sayForEver(`${OK}Content-Length: 90000\r\n\r\n`, "x", 20)],
  ["headers one byte at a time", "timed_out", sayForEver(OK, "x", 20)],
  ["a body that stops", "timed_out", sayAndStay(`${OK}Content-Length: 10\r\n\r\nhalf`)],

  ["a Content-Length that is too large", "truncated", say(`${OK}Content-Length: 100\r\n\r\nhalf`)],
  ["a Content-Length beyond the limit", "too_large", say(`${OK}Content-Length: ${BYTES_MAX + 1}\r\n\r\nhalf`)],
  ["a Content-Length beyond numbers", "http_error", say(`${OK}Content-Length: 99999999999999999999999\r\n\r\nhalf`)],
  // HTTP says that the message ends there; what comes after is nobody's.
  ["a Content-Length that is too small", "ok", say(`${OK}Content-Length: 4\r\n\r\nhalf of it`)],
  ["a Content-Length below zero", "http_error", say(`${OK}Content-Length: -4\r\n\r\nhalf`)],
  ["a Content-Length that is no number", "http_error", say(`${OK}Content-Length: four\r\n\r\nhalf`)],
  ["two Content-Lengths", "http_error", say(`${OK}Content-Length: 4\r\nContent-Length: 5\r\n\r\nhalf`)],
  ["the same Content-Length twice", "ok", say(`${OK}Content-Length: 4\r\nContent-Length: 4\r\n\r\nhalf`)],
  ["the same Content-Length twice in a line", "ok", say(`${OK}Content-Length: 4, 4\r\n\r\nhalf`)],
  ["two Content-Lengths in a line", "http_error", say(`${OK}Content-Length: 4, 5\r\n\r\nhalf`)],
  [
    "a Content-Length beside chunks",
    "http_error",
    say(`${OK}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n\r\n`),
  ],
  ["chunks that are none", "http_error", say(`${OK}Transfer-Encoding: chunked\r\n\r\nwhat is this?`)],
  ["a chunk longer than numbers", "http_error", say(`${OK}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\nx`)],
  ["chunks without an end", "truncated", say(`${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`)],
  ["an empty body", "ok", say(`${OK}Content-Length: 0\r\n\r\n`)],

  ["a gzip bomb", "too_large", packed("gzip", gzipSync(ZEROS))],
  ["a brotli bomb", "too_large", packed("br", brotliCompressSync(ZEROS, { params: {} }))],
  ["a deflate bomb", "too_large", packed("deflate", deflateSync(ZEROS))],
  ["a bomb in a bomb", "http_error", packed("gzip, gzip", gzipSync(gzipSync(ZEROS)))],
  // Nothing unpacks it: what is kept is small, and is no image.
  ["a gzip bomb that does not say so", "ok", say(Buffer.concat([Buffer.from(`${OK}\r\n`), gzipSync(ZEROS)]))],

  ["a charset for an encoding", "ok", packed("utf-8", Buffer.from("body"))],
  ["an encoding that is none, twice", "ok", packed("identity, identity", Buffer.from("body"))],
  ["an empty encoding", "ok", packed("", Buffer.from("body"))],
  ["what a proxy has changed", "ok", say("HTTP/1.1 203 Transformed\r\nContent-Length: 4\r\n\r\nbody")],

  ["a part that is the whole", "ok", say("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/4\r\nContent-Length: 4\r\n\r\nbody")],
  ["a part", "http_error", say("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/9\r\nContent-Length: 4\r\n\r\nbody")],
  ["a part that brings less than the whole that it says it is", "truncated", say(`${WHOLE_PART}Content-Length: 4\r\n\r\nbody`)],
  ["chunks of such a part", "truncated", say(`${WHOLE_PART}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n`)],
  ["such a part that ends with its connection", "truncated", say(`${WHOLE_PART}\r\nbody`)],
  // The part counts the bytes before they were packed, which proxies do; whether they are whole gzip tells.
  [
    "a part that is the whole, compressed",
    "ok",
    say(Buffer.concat([Buffer.from(`${WHOLE_PART}Content-Encoding: gzip\r\n\r\n`), gzipSync("bodybody1")])),
  ],
  ["a part of unknown length", "http_error", say("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/*\r\n\r\nbody")],

  ["a redirect to itself", "too_many_redirects", (socket, path) => redirect(path)(socket, path)],
  [
    "two that redirect to each other",
    "too_many_redirects",
    (socket, path) => redirect(path.endsWith("?b") ? path.slice(0, -2) : `${path}?b`)(socket, path),
  ],
  ["redirects without end", "too_many_redirects", (socket, path) => redirect(`${path}x`)(socket, path)],
  ["a redirect to a script", "http_error", redirect("javascript:alert(1)")],
  ["a redirect to a file", "http_error", redirect("file:///etc/passwd")],
  ["a redirect to nowhere", "http_error", say("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")],
  ["a redirect that does not say where", "http_error", redirect("")],
  ["a redirect with a password", "http_error", redirect("http://name:word@127.0.0.1/")],
  ["a redirect with an endless body", "http_error", sayForEver("HTTP/1.1 302 Found\r\nLocation: gopher://x/\r\n\r\n", "x".repeat(1_000))],

  ["a header of 1 MB", "http_error", say(`${OK}X: ${"x".repeat(1_000_000)}\r\n\r\nbody`)],
  ["10,000 headers", "http_error", say(`${OK}${"X: y\r\n".repeat(10_000)}\r\nbody`)],
  ["headers that never end", "http_error", sayForEver(OK, "X: y\r\n")],
  ["a head with bare LFs", "http_error", sayAndStay("HTTP/1.1 200 OK\nContent-Length: 4\n\nbody")],
  ["HTTP/0.9", "http_error", say("an image, just so")],
  ["HTTP/2 in the clear", "http_error", sayAndStay(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]))],
  ["another protocol", "http_error", sayAndStay("220 smtp.shop.test ESMTP\r\n")],
  ["zeros", "http_error", sayForEver("", Buffer.alloc(1_000))],
  ["hints before the answer, for ever", "http_error", sayForEver("", "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n")],
  ["100 Continue, for ever", "http_error", sayForEver("", "HTTP/1.1 100 Continue\r\n\r\n", 1)],
  ["sixteen hints, then the answer", "ok", say(`${"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(16)}${OK}Content-Length: 4\r\n\r\nbody`)],
  ["chunks of a byte, for ever", "http_error", sayForEver(`${OK}Transfer-Encoding: chunked\r\n\r\n`, "1\r\na\r\n".repeat(1_000))],
  ["a hint, then the answer", "ok", say(`HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n${OK}Content-Length: 4\r\n\r\nbody`)],
  [
    "another protocol from now on",
    "http_error",
    sayAndStay("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
  ],
  ["an answer of status 0", "http_error", say("HTTP/1.1 000 Nothing\r\n\r\n")],
  ["an answer of status 999", "server_error", say("HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n")],

  ["nothing at all", "timed_out", () => {}],
  ["an end before headers", "connect_failed", say("")],
  ["an end within headers", "connect_failed", say(`${OK}Content-`)],
  ["a reset before headers", "connect_failed", sayAndReset("")],
  ["a reset within headers", "connect_failed", sayAndReset(`${OK}Content-`)],
  ["a reset after headers", "truncated", sayAndReset(`${OK}Content-Length: 10\r\n\r\n`)],
  ["a reset within the body", "truncated", sayAndReset(`${OK}Content-Length: 10\r\n\r\nhalf`)],
  ["a reset after a body without a length", "truncated", sayAndReset(`${OK}\r\nall of it?`)],
  ["a reset after the whole body", "ok", sayAndReset(`${OK}Content-Length: 4\r\n\r\nbody`)],
  ["an end after a body without a length", "ok", say(`${OK}\r\nbody`)],
];

describe("a hostile origin", { timeout: 60_000 }, () => {
  let folder: string;
  let count = 0;
  before(async () => {
    folder = await createTestFolder();
  });

  /** Downloads within the deadline, and leaves no file but a whole one, and no socket. */
  const endOf = async (url: string, server: Server): Promise<StageResult<Download>> => {
    count += 1;
    const path = join(folder, String(count));
    const downloader = createTestDownloader({ limits: LIMITS });
    const startedAt = performance.now();
    const result = await downloader.download({ url, path, signal: new AbortController().signal });
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < SLOWEST_MS, `it took ${Math.round(tookMs)} ms`);
    assert.equal(existsSync(path), result.ok);
    if (!result.ok)
      await eventually("the socket to be closed, or to be idle", async () => (await openSockets(server)) === 0, 5_000).finally(() =>
        downloader.close(),
      );
    downloader.close();
    return result;
  };
  const judge = (result: StageResult<Download>, end: ImageCode | "ok") => {
    assert.deepEqual(
      result.ok ? { code: "ok" } : { code: result.failure.code, retry: result.failure.retry },
      end === "ok" ? { code: end } : { code: end, retry: IMAGE_CODES[end].retry },
      JSON.stringify(result),
    );
  };

  for (const [name, end, answer] of CASES) {
    test(`with ${name} is ${end}`, async () => {
      const { url, server } = await listenWith((socket) => onRequest(socket, (path) => answer(socket, path)));
      judge(await endOf(`${url}/image.jpg`, server), end);
    });
  }

  test("that does not tell where a file ends has that told of it", async () => {
    const tolds = [`Content-Length: 4\r\n\r\nbody`, "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "\r\nbody"].map(
      async (rest) => {
        const { url, server } = await listenWith((socket) => onRequest(socket, (path) => say(OK + rest)(socket, path)));
        const result = await endOf(`${url}/image.jpg`, server);
        return result.ok && result.value.isEndTold;
      },
    );
    assert.deepEqual(await Promise.all(tolds), [true, true, false]);
  });

  test("whose certificate is refused for whatever reason is tls_failed", () => {
    // Of Node's names for what OpenSSL finds; UNSPECIFIED stands for all others, such as a key that is too short.
    for (const code of ["INVALID_PURPOSE", "INVALID_CA", "UNSPECIFIED", "CRL_HAS_EXPIRED", "HOSTNAME_MISMATCH", "PATH_LENGTH_EXCEEDED"])
      assert.equal(netFailure(Object.assign(new Error("x"), { code })).code, "tls_failed", code);
  });

  test("gets nothing into the next download on the same connection", async () => {
    const { url } = await listenWith((socket) =>
      onRequest(socket, (path) =>
        socket.write(`${OK}Content-Length: 1\r\n\r\n${path.slice(1)}${path === "/a" ? `${OK}Content-Length: 4\r\n\r\nevil` : ""}`),
      ),
    );
    const downloader = createTestDownloader({ limits: LIMITS, perHostMax: 1 });
    for (const name of ["a", "b", "c"]) {
      const result = await downloader.download({ url: `${url}/${name}`, path: join(folder, name), signal: new AbortController().signal });
      assert.ok(result.ok);
      assert.equal(result.value.head.toString(), name);
    }
  });

  test("gets nothing into the next download, where its answers are so large that a file's end is still being written", async () => {
    // In a thread of its own: all that it sends can lie there while our event loop is busy with the file.
    const server = new Worker(STRAY_SERVER, { eval: true });
    onCleanup(() => server.terminate());
    const [port] = (await once(server, "message")) as [number];
    const downloader = createTestDownloader({ limits: DOWNLOAD_LIMITS, perHostMax: 1 });
    const own = await createTestFolder();
    const download = async (name: string) => {
      const url = `http://127.0.0.1:${port}/${name}`;
      const result = await downloader.download({ url, path: join(own, name), signal: new AbortController().signal });
      assert.ok(result.ok, JSON.stringify(result));
      assert.equal(result.value.head.toString().trim(), `/${name}`);
    };
    await Promise.all(Array.from({ length: 300 }, (_, index) => download(String(index))));
  });

  describe("over TLS", () => {
    let certificates: Awaited<ReturnType<typeof makeCertificates>>;
    before(async () => {
      certificates = await makeCertificates();
      const trusted = tls.getCACertificates("default");
      tls.setDefaultCACertificates([...trusted, certificates.authority]);
      onCleanup(() => tls.setDefaultCACertificates(trusted));
    });

    const secure = (certificate: Certificate, answer: Answer) => (socket: Socket) => {
      const over = new tls.TLSSocket(socket, { isServer: true, secureContext: tls.createSecureContext(certificate) });
      over.on("error", () => {});
      onRequest(over, (path) => answer(over, path));
    };
    const body = say(`${OK}Content-Length: 4\r\n\r\nbody`);
    const cases: [string, ImageCode | "ok", () => (socket: Socket) => unknown][] = [
      ["a good certificate", "ok", () => secure(certificates.good, body)],
      ["a certificate that it signed itself", "tls_failed", () => secure(certificates.selfSigned, body)],
      ["a certificate that has expired", "tls_failed", () => secure(certificates.expired, body)],
      ["a certificate of another host", "tls_failed", () => secure(certificates.otherHost, body)],
      ["HTTP in the clear", "tls_failed", () => (socket) => socket.once("data", () => socket.end(`${OK}\r\nbody`))],
      ["noise", "tls_failed", () => (socket) => socket.once("data", () => socket.write(Buffer.alloc(5_000, 0xa5)))],
      ["an alert", "tls_failed", () => (socket) => socket.once("data", () => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, 40])))],
      [
        "a record that never comes whole",
        "timed_out",
        () => (socket) => socket.once("data", () => socket.write(Buffer.from([0x16, 3, 3, 0x40, 0, 2]))),
      ],
      ["a reset during the handshake", "connect_failed", () => (socket) => socket.once("data", () => socket.resetAndDestroy())],
      ["an end during the handshake", "connect_failed", () => (socket) => socket.once("data", () => socket.end())],
      [
        "a reset within the body",
        "truncated",
        () => (socket) =>
          secure(certificates.good, (over) =>
            over.write(`${OK}Content-Length: 10\r\n\r\nhalf`, () => setTimeout(() => socket.resetAndDestroy(), 20)),
          )(socket),
      ],
      [
        "a body cut off by whoever is between",
        "truncated",
        () => (socket) =>
          secure(certificates.good, (over) => over.write(`${OK}Content-Length: 10\r\n\r\nhalf`, () => setTimeout(() => socket.end(), 20)))(
            socket,
          ),
      ],
    ];
    for (const [name, end, accept] of cases) {
      test(`with ${name} is ${end}`, async () => {
        const { url, server } = await listenWith(accept());
        judge(await endOf(`${url.replace("http:", "https:")}/image.jpg`, server), end);
      });
    }
  });

  test("leaves no file but the whole ones", async () => {
    for (const name of await readdir(folder)) assert.match(name, /^([abc]|\d+)$/);
  });
});

async function listenWith(onSocket: (socket: Socket) => unknown): Promise<{ url: string; server: Server }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    onSocket(socket);
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onCleanup(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** Each request as it comes, by its path; requests here are short enough to come in one piece. */
function onRequest(socket: Socket, answer: (path: string) => unknown): void {
  socket.on("data", (data: Buffer) => answer(data.toString("latin1").split(" ")[1] ?? "/"));
}

function openSockets(server: Server): Promise<number> {
  return new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
}
