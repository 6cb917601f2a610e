import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import http from "node:http";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import tls from "node:tls";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import { createHttpClient, type HttpGet, type HttpClient } from "../../../src/net/http1/client.ts";
import { formatRequest } from "../../../src/net/http1/format-request.ts";
import { framingOf } from "../../../src/net/http1/framing-of.ts";
import { parseHead } from "../../../src/net/http1/head.ts";
import { ProtocolError } from "../../../src/net/http1/protocol-error.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { onCleanup } from "../../support/cleanup.ts";
import { eventually } from "../../support/eventually.ts";

/** Of OpenSSL's, one that Node has no name for. */
const SSL_OP_NO_EXTENDED_MASTER_SECRET = 1;
const OK = "HTTP/1.1 200 OK\r\n";
const NO_WATCH = { begin() {}, onConnected() {}, onHead() {}, onBytes() {}, onWhole() {} };
type Answered = { status: number; headers: Record<string, string | undefined>; body: string };

/** An answer of so many bytes in all. */
const filling = (bytes: number, body: string): string => {
  const head = `${OK}Content-Length: `;
  const length = bytes - `${head}${bytes}\r\n\r\n`.length;
  return `${head}${length}\r\n\r\n${body.padEnd(length)}`;
};
/** What nobody asked for. */
const evil = `${OK}Content-Length: 4\r\n\r\nevil`;

describe("the HTTP client", () => {
  const startClient = (): HttpClient => {
    const client = createHttpClient();
    onCleanup(client.close);
    return client;
  };
  const get = async (client: HttpClient, url: string, more: Partial<HttpGet> = {}): Promise<Answered> => {
    const target = new URL(url);
    const parts: Buffer[] = [];
    const head = await client.get({
      url: target,
      port: Number(target.port),
      hostname: target.hostname,
      addressMs: 2_000,
      lookup: () => assert.fail("no name to look up"),
      headers: {},
      watch: NO_WATCH,
      onHead: () => ({ take: (bytes) => void parts.push(Buffer.from(bytes)), drain: () => null }),
      ...more,
    });
    return { status: head.status, headers: { ...head.headers }, body: Buffer.concat(parts).toString("latin1") };
  };

  test("sends what was meant and nothing that could be read as more", () => {
    assert.equal(
      formatRequest(new URL("http://shop.test:8080/a b?c=ü#d"), { accept: "image/*" }),
      "GET /a%20b?c=%C3%BC HTTP/1.1\r\nhost: shop.test:8080\r\naccept: image/*\r\nconnection: keep-alive\r\n\r\n",
    );
    for (const [url, target] of [
      ["https://shop.test", "/"],
      ["https://shop.test/a.jpg?", "/a.jpg?"],
      ["https://shop.test?#d", "/?"],
      ["http://[::1]:8080/a.jpg#d?/e", "/a.jpg"],
      ["http://h/a#", "/a"],
    ] as const)
      assert.equal(formatRequest(new URL(url), {}).split(" ")[1], target, url);
    for (const [name, value] of [
      ["x", "a\r\nevil: b"],
      ["x", "a\nb"],
      ["x\r\nevil", "b"],
      ["x y", "b"],
      ["", "b"],
      ["x", "\u0000"],
      ["x", "snow ☃"],
    ] as const) {
      assert.throws(() => formatRequest(new URL("http://shop.test/"), { [name]: value }), TypeError, JSON.stringify([name, value]));
    }
  });

  describe("reads", () => {
    /**
     * An answer as a server may write it, well or not: headers in any case and order, chunks with extensions, a byte changed
     * here and there.
     */
    const body = fc
      .string({ unit: fc.constantFrom("a", "\r", "\n", "0", ";", "é"), maxLength: 40 })
      .map((text) => Buffer.from(text, "latin1"));
    const chunked = fc
      .array(fc.tuple(body, fc.constantFrom("", ";a", ';a="b"')))
      .map((chunks) =>
        Buffer.concat([
          ...chunks
            .filter(([part]) => part.length > 0)
            .flatMap(([part, extension]) => [Buffer.from(`${part.length.toString(16)}${extension}\r\n`), part, Buffer.from("\r\n")]),
          Buffer.from("0\r\n\r\n"),
        ]),
      );
    const other = fc.constantFrom(
      "Content-Type: image/jpeg",
      'ETag: "é"',
      "X-Empty:",
      "connection: close",
      "Connection: keep-alive",
      "Keep-Alive: timeout=5",
      "X: a\tb",
      "Set-Cookie: a=b",
    );
    const framed = fc.oneof(
      body.map((bytes) => ({ line: [`Content-Length: ${bytes.length}`], bytes })),
      body.map((bytes) => ({ line: [], bytes })),
      chunked.map((bytes) => ({ line: ["transfer-encoding: Chunked"], bytes })),
    );
    const answer = fc
      .record({
        first: fc.constantFrom(
          "HTTP/1.1 200 OK",
          "HTTP/1.1 200",
          "HTTP/1.0 200 ",
          "HTTP/1.1 404 Not Found",
          "HTTP/1.1 204 x",
          "HTTP/1.1 304 x",
          "HTTP/1.1 103 Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK",
        ),
        others: fc.array(other, { maxLength: 3 }),
        framed,
      })
      .map(({ first, others, framed: { line, bytes } }) =>
        Buffer.concat([
          Buffer.from([first, ...others, ...line, "", ""].join("\r\n"), "latin1"),
          / (204|304) /.test(first) ? Buffer.alloc(0) : bytes,
        ]),
      );
    const mutated = fc
      .tuple(
        answer,
        fc.option(fc.tuple(fc.nat(), fc.constantFrom(..."\r\n \t:;0129aAfH\u0000é\u00a0")), { freq: 2 }),
        fc.option(fc.nat(), { freq: 1 }),
      )
      .map(([bytes, change, cut]) => {
        const changed = Buffer.from(bytes);
        if (change) changed.write(change[1], change[0] % changed.length, "latin1");
        return cut === null ? changed : changed.subarray(0, cut % (changed.length + 1));
      });

    /** Each connection is answered with the bytes that are next, in these pieces, and ended. */
    const startServer = async () => {
      let pieces: Buffer[] = [];
      const server = createServer((socket) => {
        socket.on("error", () => {}).setNoDelay(true);
        socket.once("data", async () => {
          for (const piece of pieces) await new Promise((resolve) => socket.write(piece, resolve));
          socket.end();
        });
      });
      server.listen(0, "127.0.0.1");
      await new Promise((resolve) => server.once("listening", resolve));
      onCleanup(() => server.close());
      return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, answerWith: (next: Buffer[]) => (pieces = next) };
    };
    const viaNode = (url: string): Promise<Answered | null> =>
      new Promise((resolve) => {
        const request = http.get(url, { agent: false }, (response) => {
          const parts: Buffer[] = [];
          response.on("data", (part: Buffer) => parts.push(part));
          response.on("error", () => resolve(null));
          response.on("end", () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers as Answered["headers"],
              body: Buffer.concat(parts).toString("latin1"),
            }),
          );
        });
        request.on("error", () => resolve(null));
      });
    const split = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
      const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1))), bytes.length].toSorted((a, b) => a - b);
      return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end)).filter((piece) => piece.length > 0);
    };

    test("what Node's own client reads, as it does, and accepts nothing that that refuses", async () => {
      const server = await startServer();
      let [accepted, refused] = [0, 0];
      await fc.assert(
        fc.asyncProperty(mutated, fc.array(fc.nat(), { maxLength: 4 }), async (bytes, cuts) => {
          server.answerWith(split(bytes, cuts));
          const ours = await get(startClient(), server.url).catch(() => null);
          const theirs = await viaNode(server.url);
          if (ours === null) return void (refused += 1);
          // What comes after an answer that has no body is nobody's; Node refuses the answer with it.
          if (theirs === null && (ours.status === 204 || ours.status === 304)) return;
          // Blanks around a chunk's extension are HTTP (RFC 9112 §7.1.1), though Node has none of them.
          if (theirs === null && /\r\n[\da-f]+[^\r]*[ \t]/i.test(bytes.toString("latin1"))) return;
          accepted += 1;
          assert.ok(theirs, `accepted what Node refuses: ${JSON.stringify(bytes.toString("latin1"))}`);
          assert.deepEqual([ours.status, ours.body], [theirs.status, theirs.body]);
          for (const name of ["content-type", "etag", "content-length"]) assert.equal(ours.headers[name], theirs.headers[name]);
        }),
        { numRuns: 400 },
      );
      assert.ok(accepted > 50 && refused > 20, `${accepted} accepted, ${refused} refused`);
    });

    test("every well-formed answer, however it is cut into pieces", async () => {
      const server = await startServer();
      await fc.assert(
        fc.asyncProperty(answer, fc.array(fc.nat(), { maxLength: 8 }), async (bytes, cuts) => {
          server.answerWith(split(bytes, cuts));
          const ours = await get(startClient(), server.url);
          assert.deepEqual([ours.status, ours.body], await viaNode(server.url).then((theirs) => [theirs?.status, theirs?.body]));
        }),
        { numRuns: 150 },
      );
    });

    test("a body of chunks the same in any pieces", () => {
      fc.assert(
        fc.property(chunked, fc.array(fc.nat()), (bytes, cuts) => {
          const read = (pieces: Buffer[]) => {
            const framing = framingOf(parseHead("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked"));
            const parts: Buffer[] = [];
            const ends = pieces.map((piece) => framing.push(piece, (part) => void parts.push(part)));
            assert.equal(
              ends.findIndex((end) => end !== null),
              pieces.length - 1,
              "whole with the last byte and not before",
            );
            return Buffer.concat(parts).toString("latin1");
          };
          assert.equal(read(split(bytes, cuts)), read([bytes]));
        }),
      );
    });

    test("chunks with blanks around their extensions, and no others that are not hexadecimal", () => {
      const read = (text: string) => {
        const parts: string[] = [];
        const framing = framingOf(parseHead(`${OK}transfer-encoding: chunked`));
        const end = framing.push(Buffer.from(text, "latin1"), (part) => void parts.push(part.toString("latin1")));
        return end === null ? null : parts.join("|");
      };
      assert.equal(read('3 ;a\r\nabc\r\n2\t; b="c"\r\nde\r\n0000\r\nA: b\r\n\r\n'), "abc|de");
      assert.equal(read("A\r\n0123456789\r\n0\r\n"), null);
      for (const text of [
        "x",
        "\r\n",
        "1\n",
        "1\r\naX",
        "1\r\na\n",
        "-1\r\n",
        "0x1\r\n",
        "1 1\r\n",
        "1;\u0000\r\n",
        '1;a"b"\r\n',
        '1;a="b\r\n',
        '1;a="\r"\r\na\r\n',
        '1;a="\\\r"\r\n',
        "0\r\nno header\r\n\r\n",
        `${"0".repeat(14)}1\r\n`,
        `1;${"a".repeat(17_000)}`,
        `0\r\n${"a: b\r\n".repeat(4_000)}`,
      ]) {
        assert.throws(() => read(text), ProtocolError, JSON.stringify(text.slice(0, 30)));
      }
      // Long bodies in small chunks are no overhead, unless they are next to nothing else.
      assert.equal(read(`${"1\r\na\r\n".repeat(4_999)}0\r\n\r\n`)?.length, 9_997);
      assert.equal(read(`${`40\r\n${"a".repeat(64)}\r\n`.repeat(50_000)}0\r\n\r\n`)?.length, 3_249_999);
      assert.throws(() => read("1\r\na\r\n".repeat(6_000)), ProtocolError);
    });

    test("heads as RFC 9112 has them, and no others", () => {
      const { status, headers, isHttp11 } = parseHead(
        'HTTP/1.0 206 Partial Content\r\nETag:  "a b"\t\r\netag: second\r\nConnection: a\r\nconnection: b',
      );
      assert.deepEqual([status, isHttp11, { ...headers }], [206, false, { etag: '"a b"', connection: "a, b" }]);
      for (const text of [
        "HTTP/2 200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 000 x",
        "http/1.1 200 OK",
        " HTTP/1.1 200 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 200 O\u0007K",
        `${OK}no colon`,
        `${OK}: nameless`,
        `${OK}a b: c`,
        `${OK}a : c`,
        `${OK} folded: x`,
        `${OK}a: b\r`,
        `${OK}a:\r b`,
        `${OK}a: b\rc`,
        `${OK}a: b\nc`,
        `${OK}a: \u0000`,
        `${OK}Content-Length: 1\r\ncontent-length: 2`,
        `${OK}${"x: y\r\n".repeat(2_001)}x: y`,
      ]) {
        assert.throws(() => parseHead(text), ProtocolError, JSON.stringify(text));
      }
      assert.equal(Object.getPrototypeOf(parseHead("HTTP/1.1 200 OK\r\n__proto__: x").headers), null);
      for (const lines of [
        "content-length: 1\r\ntransfer-encoding: chunked",
        "content-length: +1",
        "content-length: 1, 2",
        "content-length: 1,",
        "content-length: 1\u00a0",
        "content-length: 1,\u00a01",
        "transfer-encoding: \u00a0chunked",
        "content-length: 0x1",
        "content-length: 9007199254740993",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: identity",
      ]) {
        assert.throws(() => framingOf(parseHead(OK + lines)), ProtocolError, lines);
      }
    });
  });

  describe("uses a connection again", () => {
    type Said = (socket: Socket, path: string, asked: number) => unknown;
    const startServer = async (answer: Said) => {
      const connections: { socket: Socket; asked: string[] }[] = [];
      const server = createServer((socket) => {
        const asked: string[] = [];
        connections.push({ socket, asked });
        socket
          .on("error", () => {})
          .on("data", (data) => {
            const path = data.toString("latin1").split(" ")[1] ?? "";
            asked.push(path);
            answer(socket, path, asked.length);
          });
      });
      server.listen(0, "127.0.0.1");
      await new Promise((resolve) => server.once("listening", resolve));
      onCleanup(() => {
        for (const { socket } of connections) socket.destroy();
        server.close();
      });
      return {
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        connections,
        asked: () => connections.map(({ asked }) => asked),
      };
    };
    const echo =
      (more = ""): Said =>
      (socket, path) =>
        socket.write(`${OK}${more}Content-Length: ${path.length}\r\n\r\n${path}`);

    test("after an answer with a length, in chunks or without a body, and not after one without an end", async () => {
      const server = await startServer((socket, path) => {
        if (path === "/length") socket.write(`${OK}Content-Length: 1\r\n\r\nx`);
        if (path === "/chunks") socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nTrailer: y\r\n\r\n`);
        if (path === "/none") socket.write("HTTP/1.1 304 Not Modified\r\nContent-Length: 999\r\n\r\n");
        if (path === "/old") socket.write("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx");
        if (path === "/kept") socket.write("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx");
        // Of chunks HTTP/1.0 knows nothing (RFC 9112 §6.1).
        if (path === "/old-chunks")
          socket.write("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
        if (path === "/close") socket.write(`${OK}Connection: close\r\nContent-Length: 1\r\n\r\nx`);
        if (path === "/end") socket.end(`${OK}\r\nx`);
      });
      const client = startClient();
      for (const path of ["/length", "/chunks", "/none", "/end", "/length", "/close", "/old", "/kept", "/old-chunks", "/length"])
        await get(client, server.url + path);
      assert.deepEqual(server.asked(), [
        ["/length", "/chunks", "/none", "/end"],
        ["/length", "/close"],
        ["/old"],
        ["/kept", "/old-chunks"],
        ["/length"],
      ]);
    });

    test("whose last answer nobody wanted, where all of it came at once", async () => {
      const server = await startServer((socket, path) =>
        socket.write(
          path === "/short"
            ? `HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone`
            : `HTTP/1.1 404 Not Found\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(10)}`,
        ),
      );
      const client = startClient();
      for (const path of ["/short", "/long", "/short"])
        assert.equal((await get(client, server.url + path, { onHead: () => null })).status, 404);
      assert.deepEqual(server.asked(), [["/short", "/long"], ["/short"]]);
    });

    test("and asks once more on another where the server had closed it meanwhile", async () => {
      const server = await startServer((socket, path, asked) => (asked === 1 ? echo()(socket, path, asked) : socket.destroy()));
      const client = startClient();
      for (const path of ["/a", "/b", "/c"]) assert.equal((await get(client, server.url + path)).body, path);
      assert.deepEqual(server.asked(), [["/a", "/b"], ["/b", "/c"], ["/c"]]);
    });

    test("and on another where the server says only that it was too late", async () => {
      const tooLate = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
      const server = await startServer((socket, path, asked) =>
        asked === 1 && path !== "/late" ? echo()(socket, path, asked) : socket.end(tooLate),
      );
      const client = startClient();
      for (const path of ["/a", "/b", "/c"]) assert.equal((await get(client, server.url + path)).body, path);
      assert.deepEqual(server.asked(), [["/a", "/b"], ["/b", "/c"], ["/c"]]);
      // Of a connection of its own it is the answer.
      client.close();
      assert.equal((await get(startClient(), `${server.url}/late`)).status, 408);
    });

    test("and does not ask twice what was answered in part, or was never asked before", async () => {
      const server = await startServer((socket, path, asked) => {
        if (path === "/first") socket.destroy();
        else if (asked === 1) echo()(socket, path, asked);
        else socket.end("HTTP/1.1 2");
      });
      const client = startClient();
      await assert.rejects(get(client, `${server.url}/first`), { code: "ECONNRESET" });
      await get(client, `${server.url}/a`);
      await assert.rejects(get(client, `${server.url}/b`), { code: "ECONNRESET" });
      assert.deepEqual(server.asked(), [["/first"], ["/a", "/b"]]);
    });

    test("never where something came that nobody asked for", async () => {
      const server = await startServer((socket, path, asked) => {
        echo()(socket, path, asked);
        if (path === "/at-once") socket.write(evil);
        if (path === "/late") setTimeout(() => socket.write(evil), 20);
      });
      const client = startClient();
      assert.equal((await get(client, `${server.url}/at-once`)).body, "/at-once");
      assert.equal((await get(client, `${server.url}/late`)).body, "/late");
      await eventually("the connection to be closed", async () => server.connections.at(-1)?.socket.closed === true);
      assert.equal((await get(client, `${server.url}/then`)).body, "/then");
    });

    test("never where what nobody asked for lay behind an answer that filled a whole read", async () => {
      const server = await startServer((socket, path) => socket.write(filling(65_536, path) + evil));
      const client = startClient();
      for (const path of ["/a", "/b", "/c"]) assert.equal((await get(client, server.url + path)).body.trim(), path);
      assert.deepEqual(server.asked(), [["/a"], ["/b"], ["/c"]]);
    });

    test("and asks once more on another where only then came what was left of the answer before", async () => {
      const server = await startServer((socket, path, asked) => {
        if (path === "/never") socket.write("\r\n");
        else if (asked === 1) echo()(socket, path, asked);
        else socket.write("\r\n");
      });
      const client = startClient();
      for (const path of ["/a", "/b", "/c"]) assert.equal((await get(client, server.url + path)).body, path);
      assert.deepEqual(server.asked(), [["/a", "/b"], ["/b", "/c"], ["/c"]]);
      client.close();
      await assert.rejects(get(startClient(), `${server.url}/never`), ProtocolError);
    });

    test("no longer than the server announced", async () => {
      const server = await startServer((socket, path, asked) =>
        echo(path === "/brief" ? "Keep-Alive: timeout=0\r\n" : "Keep-Alive: timeout=60\r\n")(socket, path, asked),
      );
      const client = startClient();
      for (const path of ["/brief", "/long", "/more"]) await get(client, server.url + path);
      assert.deepEqual(server.asked(), [["/brief"], ["/long", "/more"]]);
    });

    test("each for one request at a time, and ends them all when it is closed", async () => {
      const server = await startServer((socket, path, asked) => setTimeout(() => echo()(socket, path, asked), 10));
      const client = startClient();
      const bodies = await Promise.all(["/a", "/b", "/c"].map((path) => get(client, server.url + path)));
      assert.deepEqual(
        bodies.map((answer) => answer.body),
        ["/a", "/b", "/c"],
      );
      assert.equal(server.connections.length, 3);
      client.close();
      await eventually("all to be closed", async () => server.connections.every(({ socket }) => socket.closed));
    });

    test("of another port or protocol for nothing else", async () => {
      const [one, other] = [await startServer(echo()), await startServer(echo())];
      const client = startClient();
      for (const server of [one, other, one, other]) await get(client, `${server.url}/x`);
      assert.deepEqual([one.connections.length, other.connections.length], [1, 1]);
    });
  });

  test("holds the server back while the sink works off what it has", async () => {
    const size = 30_000_000;
    const server = createServer((socket) =>
      socket
        .on("error", () => {})
        .once("data", () => socket.end(Buffer.concat([Buffer.from(`${OK}Content-Length: ${size}\r\n\r\n`), Buffer.alloc(size, "x")]))),
    );
    server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    onCleanup(() => server.close());
    let [taken, isDraining, drains] = [0, false, 0];
    const sink = {
      take(bytes: Buffer) {
        assert.ok(!isDraining, "bytes came while the sink was busy");
        taken += bytes.length;
      },
      drain() {
        isDraining = true;
        drains += 1;
        return delay(drains % 50 === 0 ? 5 : 0).then(() => void (isDraining = false));
      },
    };
    await get(startClient(), `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { onHead: () => sink });
    assert.deepEqual([taken, isDraining], [size, false]);
    assert.ok(drains > size / 100_000, `${drains} reads`);
  });

  test("what a sink throws, or fails to work off, ends the request with just that", async () => {
    const server = http.createServer((_, response) => response.end("body")).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    onCleanup(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const full = Object.assign(new Error("no space"), { code: "ENOSPC" });
    await assert.rejects(
      get(startClient(), url, {
        onHead: () => ({
          take: () => {
            throw full;
          },
          drain: () => null,
        }),
      }),
      full,
    );
    await assert.rejects(get(startClient(), url, { onHead: () => ({ take() {}, drain: () => Promise.reject(full) }) }), full);
    await assert.rejects(
      get(startClient(), url, {
        onHead: () => {
          throw full;
        },
      }),
      full,
    );
  });

  describe("over TLS", () => {
    before(async () => {
      const { authority } = await certificates();
      const trusted = tls.getCACertificates("default");
      tls.setDefaultCACertificates([...trusted, authority]);
      onCleanup(() => tls.setDefaultCACertificates(trusted));
    });
    let made: ReturnType<typeof makeCertificates> | undefined;
    const certificates = () => (made ??= makeCertificates());
    const listen = async (server: tls.Server, host = "127.0.0.1"): Promise<string> => {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      onCleanup(() => server.close());
      return `https://${host}:${(server.address() as AddressInfo).port}`;
    };

    test("goes without its session where the server ends the handshake that offers it", async () => {
      const ticketKeys = randomBytes(48);
      const { good } = await certificates();
      const serve = async (port: number, more: tls.TlsOptions) => {
        const server = tls.createServer({ ...good, ticketKeys, maxVersion: "TLSv1.2", ...more }, (socket) =>
          socket.on("error", () => {}).once("data", () => socket.end(`${OK}Connection: close\r\nContent-Length: 2\r\n\r\nok`)),
        );
        await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
        onCleanup(() => server.close());
        return server;
      };
      const first = await serve(0, {});
      const { port } = first.address() as AddressInfo;
      const client = startClient();
      const ask = async () => (await get(client, `https://127.0.0.1:${port}/`)).body;
      assert.equal(await ask(), "ok");
      await new Promise((resolve) => first.close(resolve));
      // The same keys without the extended master secret: OpenSSL aborts such a resumption (RFC 7627 §5.3).
      let refused = 0;
      (await serve(port, { secureOptions: SSL_OP_NO_EXTENDED_MASTER_SECRET })).on("tlsClientError", () => (refused += 1));
      assert.deepEqual(await Promise.all([ask(), ask()]), ["ok", "ok"]);
      assert.ok(refused > 0, "no session was offered");
    });

    test("resumes a session that it had, and reads bodies of any size", async () => {
      const resumed: boolean[] = [];
      const server = tls.createServer({ ...(await certificates()).good }, (socket) => {
        resumed.push(socket.isSessionReused());
        socket
          .on("error", () => {})
          .once("data", () => socket.end(`${OK}Connection: close\r\nContent-Length: 300000\r\n\r\n${"x".repeat(300_000)}`));
      });
      const url = await listen(server);
      const client = startClient();
      for (let time = 0; time < 2; time += 1) assert.equal((await get(client, url)).body.length, 300_000);
      assert.deepEqual(resumed, [false, true]);
    });

    test("uses no connection again on which a record followed that nobody asked for", async () => {
      const asked: string[] = [];
      const server = tls.createServer((await certificates()).good, (socket) =>
        socket
          .on("error", () => {})
          .on("data", (data) => {
            const path = data.toString("latin1").split(" ")[1] ?? "";
            asked.push(path);
            socket.write(filling(16_384, path) + evil);
          }),
      );
      const url = await listen(server);
      const client = startClient();
      for (const path of ["/a", "/b", "/c"]) assert.equal((await get(client, url + path)).body.trim(), path);
      assert.deepEqual(asked, ["/a", "/b", "/c"]);
    });

    test("names the server without the dot that may end its name", async () => {
      const named: string[] = [];
      const server = tls.createServer({
        ...(await certificates()).good,
        SNICallback: (name, done) => {
          named.push(name);
          done(new Error("enough"));
        },
      });
      const url = await listen(server, "shop.test.");
      const lookup: HttpGet["lookup"] = (_, __, found) => found(null, [{ address: "127.0.0.1", family: 4 }]);
      await assert.rejects(get(startClient(), url, { lookup }));
      assert.deepEqual(named, ["shop.test"]);
    });
  });
});
