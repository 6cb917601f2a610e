import assert from "node:assert/strict";
import { connect } from "node:net";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import { PROBLEMS, type ProblemCode } from "../../src/domain/problem.ts";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { startService, type Service } from "../support/service.ts";

const RUNS = Number(process.env["ANY_REQUEST_RUNS"] ?? 150);
const SEED = Number(process.env["ANY_REQUEST_SEED"] ?? 5);
const CLOSE_MS = 10_000;

const HOST = "host: localhost\r\n";
const CSV = "S. No,Product Name,Input Image Urls\n1,Mug,nowhere\n";
/** What an HTTP client would not send: framing that contradicts itself, smuggling, odd line ends, other protocols. */
const ODD: Record<string, string> = {
  "no HTTP at all": "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003",
  "the preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "no Host": "GET /healthz HTTP/1.1\r\n\r\n",
  "two Hosts": `GET /healthz HTTP/1.1\r\n${HOST}host: elsewhere.test\r\n\r\n`,
  "HTTP/1.0": "GET /healthz HTTP/1.0\r\n\r\n",
  "HTTP/9.9": `GET /healthz HTTP/9.9\r\n${HOST}\r\n`,
  "a whole URL": "GET http://elsewhere.test/healthz HTTP/1.1\r\nhost: elsewhere.test\r\n\r\n",
  CONNECT: "CONNECT elsewhere.test:443 HTTP/1.1\r\nhost: elsewhere.test:443\r\n\r\n",
  "an upgrade": `GET /v1/batches HTTP/1.1\r\n${HOST}connection: upgrade\r\nupgrade: websocket\r\n\r\n`,
  "an expectation": `POST /v1/batches HTTP/1.1\r\n${HOST}expect: miracles\r\ncontent-length: 0\r\n\r\n`,
  "a length and chunks": `POST /v1/batches HTTP/1.1\r\n${HOST}content-type: text/csv\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  "two lengths": `POST /v1/batches HTTP/1.1\r\n${HOST}content-type: text/csv\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd`,
  "a negative length": `POST /v1/batches HTTP/1.1\r\n${HOST}content-type: text/csv\r\ncontent-length: -1\r\n\r\n`,
  "a length past the end": `POST /v1/batches HTTP/1.1\r\n${HOST}content-type: text/csv\r\ncontent-length: 900\r\n\r\n${CSV}`,
  "a chunk that is no chunk": `POST /v1/batches HTTP/1.1\r\n${HOST}content-type: text/csv\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
  "a folded header": `GET /healthz HTTP/1.1\r\n${HOST}x-a: 1\r\n  2\r\n\r\n`,
  "a blank before the colon": `GET /healthz HTTP/1.1\r\nhost : localhost\r\n\r\n`,
  "a NUL in a header": `GET /healthz HTTP/1.1\r\n${HOST}x-a: \u0000\r\n\r\n`,
  "LF alone": "GET /healthz HTTP/1.1\nhost: localhost\n\n",
  "bytes above ASCII in the path": `GET /v1/batches/\u00ff\u00fe HTTP/1.1\r\n${HOST}\r\n`,
  "two requests at once": `GET /healthz HTTP/1.1\r\n${HOST}\r\nGET /readyz HTTP/1.1\r\n${HOST}\r\n`,
  "headers without an end": `GET /healthz HTTP/1.1\r\n${HOST}x: ${"y".repeat(100_000)}`,
};
const GOOD = [
  `GET /v1/batches?limit=1 HTTP/1.1\r\n${HOST}\r\n`,
  `POST /v1/batches HTTP/1.1\r\n${HOST}content-type: text/csv\r\ncontent-length: ${CSV.length}\r\n\r\n${CSV}`,
  `POST /v1/preflight HTTP/1.1\r\n${HOST}content-type: multipart/form-data; boundary=e\r\ntransfer-encoding: chunked\r\n\r\n44\r\n--e\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\n\r\n8\r\na\r\n--e--\r\n0\r\n\r\n`,
];

describe("bytes that no HTTP client would send", () => {
  let service: Service;
  before(async () => {
    service = await startService({ DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder(), ROLE: "api" });
  });

  /** All that came until the service closed the connection, which is half closed once an answer has begun or none has come for a while. */
  const send = (bytes: Buffer, patienceMs: number) =>
    new Promise<string>((resolve, reject) => {
      let received = "";
      const socket = connect({ host: "127.0.0.1", port: Number(new URL(service.url).port) });
      socket
        .setEncoding("latin1")
        .setTimeout(CLOSE_MS, () => socket.destroy(new Error(`not closed within ${CLOSE_MS} ms, after ${received}`)));
      const patience = setTimeout(() => socket.end(), patienceMs);
      socket.on("data", (text) => {
        received += String(text);
        socket.end();
      });
      // Closed before all was taken: what had been answered counts.
      socket.on("error", (error: NodeJS.ErrnoException) =>
        error.code === "ECONNRESET" || error.code === "EPIPE" ? resolve(received) : reject(error),
      );
      socket.on("close", () => {
        clearTimeout(patience);
        resolve(received);
      });
      socket.write(bytes);
    });

  const demandProblem = (answer: string) => {
    if (answer === "") return;
    const [head = "", body = ""] = answer.split(/\r\n\r\n(.*)/s);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    assert.ok(status < 500, answer);
    if (status < 400) return;
    assert.match(head, /\r\ncontent-type: application\/problem\+json/i, answer);
    // There may be a second answer behind the first.
    const problem = JSON.parse(body.slice(0, Number(/content-length: (\d+)/i.exec(head)?.[1]))) as { status: number; code: ProblemCode };
    assert.deepEqual([problem.status, PROBLEMS[problem.code].status], [status, status], answer);
  };

  for (const [name, bytes] of Object.entries(ODD)) {
    test(`are answered by a problem, or by what they ask for: ${name}`, async () => {
      const answer = await send(Buffer.from(bytes, "latin1"), 1_000);
      assert.notEqual(answer, "");
      demandProblem(answer);
    });
  }

  test("never bring it down: good requests, cut and changed anywhere", async () => {
    const changed = fc
      .tuple(
        fc.constantFrom(...GOOD),
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 3 }), fc.uint8Array({ maxLength: 4 })), { minLength: 1, maxLength: 4 }),
      )
      .map(([good, changes]) =>
        changes.reduce(
          (bytes, [at, removed, added]) => {
            const place = at % (bytes.length + 1);
            return Buffer.concat([bytes.subarray(0, place), added, bytes.subarray(place + removed)]);
          },
          Buffer.from(good, "latin1"),
        ),
      );
    await fc.assert(
      fc.asyncProperty(changed, async (bytes) => demandProblem(await send(bytes, 20))),
      { seed: SEED, numRuns: RUNS },
    );
    assert.equal((await fetch(`${service.url}/readyz`)).status, 200);
    assert.deepEqual(
      service.output.filter((line) => /"level":(50|60|"error")/.test(line)),
      [],
    );
  });
});
