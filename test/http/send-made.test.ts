import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { stat } from "node:fs/promises";
import { connect, type AddressInfo, type Server, type Socket } from "node:net";
import { before, beforeEach, describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Problem } from "../../src/contract/problem.ts";
import type { BatchRow } from "../../src/db/batches.ts";
import type { RecordedProduct } from "../../src/domain/batch/product-result.ts";
import { MAIN_OUTPUT } from "../../src/domain/image/recipe.ts";
import { createServer, type HttpDeps } from "../../src/http/server.ts";
import type { ArchiveFiles } from "../../src/http/files/zip-outputs.ts";
import { onCleanup } from "../support/cleanup.ts";

const TOKEN = "A".repeat(22);
const RESULTS = `/outputs/${TOKEN}/results.jsonl`;
const MADE = [
  RESULTS,
  ...["failures.csv", "results.csv?shape=import", "archive.zip"].map((name) => `/outputs/${TOKEN}/${name}`),
  "/v1/reports/savings?format=csv",
];
const AWAY = new Error("the database is away");
/** More than the buffers of a connection swallow for a client that does not read. */
const LARGE = 32 * 1024 * 1024;

const failed: RecordedProduct = {
  line: 2,
  serial: "1",
  name: "Mug",
  urls: ["https://shop.test/a.jpg"],
  record: "1,Mug,https://shop.test/a.jpg\n",
  images: [{ fetchedUrl: null, urlRules: [], outputs: [], error: { code: "not_found", message: "404" } }],
};
const batch = {
  batchId: "b",
  token: TOKEN,
  finishedAt: new Date(),
  recipe: { outputs: [{ name: MAIN_OUTPUT }] },
  csvFacts: {
    encoding: "utf-8",
    header: ["S. No", "Product Name", "Input Image Urls"],
    delimiter: ",",
    newline: "\n",
    head: "S. No,Product Name,Input Image Urls\n",
    columns: { id: [0], name: [1], images: [{ index: 2, cell: "list" }] },
  },
} as unknown as BatchRow;

describe("what is made while it is sent", () => {
  let port: number;
  let server: Server;
  let look: () => Promise<void>;
  /** What comes after the first page. */
  let rest: () => AsyncIterable<RecordedProduct[]>;
  /** The file of the output that is asked for. */
  let output: { path: string; bytes: number };
  const told: { route: string; err: Error }[] = [];
  const cutting = new AbortController();

  before(async () => {
    const pages = async function* () {
      yield [failed];
      yield* rest();
    };
    const unasked = () => assert.fail();
    const app = await createServer({
      settings: { auth: "none", apiKeys: [], publicUrl: () => "http://127.0.0.1", uploadBytesMax: 0, uploadMs: 0, version: "0" },
      findBatchByToken: () => look().then(() => batch),
      productPages: pages,
      recordPages: pages,
      outputFiles: () => archived(() => rest()),
      findOutput: async () => ({ ...output, modifiedAt: new Date(), mediaType: "image/jpeg", etag: '"1"' }),
      openReport: async () => ({ columns: ["name"], pages: cellsOf(pages()), failed: new AbortController().signal, close: async () => {} }),
      cut: cutting.signal,
      isUnavailable: () => false,
      log: {
        debug: () => {},
        info: unasked,
        warn: unasked,
        error: (facts: object) => void told.push(facts as { route: string; err: Error }),
      },
      // Of what the routes need, these ones' part.
    } as Partial<HttpDeps> as HttpDeps);
    onCleanup(() => app.close());
    await app.listen({ host: "127.0.0.1", port: 0 });
    ({ server } = app);
    ({ port } = server.address() as AddressInfo);
  });
  beforeEach(() => {
    told.splice(0);
    look = async () => {};
  });

  for (const path of MADE) {
    test(`ends for HTTP/1.0 by a clean end of the connection only where it is whole: ${path}`, async () => {
      rest = async function* () {};
      const whole = await readAll(ask(port, path));
      assert.match(whole.text, /^HTTP\/1\.1 200 OK\r\n.+(Mug|1-1\.jpg)/s);
      assert.equal(whole.end, "clean");
      assert.deepEqual(told, []);

      rest = () => {
        throw AWAY;
      };
      assert.equal((await readAll(ask(port, path))).end, "ECONNRESET");
      assert.deepEqual(
        told.map(({ err }) => err),
        [AWAY],
      );
    });
  }

  test("leaves nothing behind where its client had gone before it began", async () => {
    const asked = Promise.withResolvers<void>();
    const found = Promise.withResolvers<void>();
    look = () => {
      asked.resolve();
      return found.promise;
    };
    const connected = once(server, "connection") as Promise<[Socket]>;
    const client = ask(port, RESULTS);
    const [socket] = await connected;
    await asked.promise;
    client.destroy();
    await once(socket, "close");
    found.resolve();
    await turn();
    assert.equal(getEventListeners(cutting.signal, "abort").length, 0);
    assert.deepEqual(told, []);
  });

  test("is reset for HTTP/1.0 where the service stops, though its last piece was made long before a slow client took it", async () => {
    const made = Promise.withResolvers<void>();
    rest = async function* () {
      yield [{ ...failed, name: "x".repeat(LARGE) }];
      made.resolve();
    };
    const client = ask(port, RESULTS);
    await made.promise;
    cutting.abort();
    assert.equal((await readAll(client)).end, "ECONNRESET");
    assert.deepEqual(
      told.map(({ route, err }) => [route, err.message]),
      [["/outputs/:token/results.jsonl", "the service stopped before all of it was sent"]],
    );
  });

  test("a file of which the disk gives fewer bytes than it has is not waited for: the connection breaks, or a problem says it", async () => {
    const { size } = await stat(import.meta.filename);
    const get = (range: string) =>
      fetch(`http://127.0.0.1:${port}/outputs/${TOKEN}/1-1.jpg`, { headers: { range }, signal: AbortSignal.timeout(10_000) });
    output = { path: import.meta.filename, bytes: size };
    assert.equal((await (await get("")).arrayBuffer()).byteLength, size);
    assert.equal((await (await get("bytes=1-9")).arrayBuffer()).byteLength, 9);
    assert.deepEqual(told, []);

    output = { path: import.meta.filename, bytes: size + 1 };
    await assert.rejects((await get("")).arrayBuffer());
    assert.deepEqual(
      told.splice(0).map(({ route }) => route),
      ["/outputs/:token/:fileName"],
    );
    // Nothing was sent by then.
    const none = await get(`bytes=${size}-`);
    assert.deepEqual([none.status, ((await none.json()) as Problem).code], [503, "unavailable"]);
    assert.equal(told.length, 1);
  });
});

async function* cellsOf(pages: AsyncIterable<RecordedProduct[]>) {
  for await (const page of pages) yield page.map(({ name }) => [name]);
}

/** One small file. It breaks off before the directory, for which the outputs are listed a second time. */
function archived(rest: () => AsyncIterable<unknown>): ArchiveFiles {
  let lists = 0;
  return {
    async *list() {
      yield { ordinal: 0, fileName: "1-1.jpg", bytes: (await stat(import.meta.filename)).size };
      if ((lists += 1) === 2) for await (const _ of rest());
    },
    find: async ({ bytes }) => ({ path: import.meta.filename, bytes, modifiedAt: new Date() }),
  };
}

/** Nothing is read before somebody reads it. */
function ask(port: number, path: string): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.write(`GET ${path} HTTP/1.0\r\n\r\n`);
  return socket;
}

/** What came, and how the connection ended. */
async function readAll(socket: Socket): Promise<{ text: string; end: string }> {
  let text = "";
  const end = await new Promise<string>((resolve) => {
    socket.on("data", (bytes) => (text += String(bytes)));
    socket.once("end", () => resolve("clean"));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  });
  return { text, end };
}
