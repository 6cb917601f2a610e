import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { connect, createServer as listen, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import { openReport } from "../../src/db/report/read-report.ts";
import { createServer, type HttpDeps } from "../../src/http/server.ts";
import { onCleanup } from "../support/cleanup.ts";
import { openTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

const TENANT = "00000000-0000-7000-8000-000000000000";
const BATCH = "019abc12-3456-7def-8123-456789abcdef";
/** As long as a report may be read. */
const REPORT_MS = 5 * 60_000;

for (const { where, rows, nameLength, connectionsHeld } of [
  // More than the sockets of a connection hold.
  { where: "amid its pages", rows: 20_000, nameLength: 1_500, connectionsHeld: 1 },
  { where: "in its last page", rows: 999, nameLength: 20_000, connectionsHeld: 0 },
])
  test(`a report whose reader stands still ${where} ends with its time, and gives its place and its connection back`, async (t) => {
    const db = await openTestDatabase();
    const run = async (sql: string, ...values: unknown[]) => (await db.executor.executeSql(sql, values)).rows;
    await run(
      "insert into batch (batch_id, tenant_id, token, status, recipe, on_invalid, csv_bytes, csv_facts, products, images_total) values ($1, $2, 't', 'completed', '{}', 'skip', 1, '{}', 20000, 0)",
      BATCH,
      TENANT,
    );
    await run(
      "insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record) select $1, n, 0, n, repeat('x', $2), n, '{}', '' from generate_series(2, $3 + 1) n",
      BATCH,
      nameLength,
      rows,
    );
    let pagesAsked = 0;
    let closed = 0;
    const told: Error[] = [];
    const app = await createServer({
      settings: { auth: "none", apiKeys: [], publicUrl: () => "http://127.0.0.1", uploadBytesMax: 0, uploadMs: 0, version: "0" },
      openReport: async (name, filter) => {
        const report = await openReport(db.url, name, { ...filter, tenantId: TENANT });
        const pages = async function* () {
          for await (const page of report.pages) {
            pagesAsked += 1;
            yield page;
          }
        };
        return { ...report, pages: pages(), close: () => report.close().finally(() => (closed += 1)) };
      },
      cut: new AbortController().signal,
      isUnavailable: () => false,
      log: {
        debug: () => {},
        info: assert.fail,
        warn: assert.fail,
        error: (facts: object) => void told.push((facts as { err: Error }).err),
      },
      // Of what the routes need, this one's part.
    } as Partial<HttpDeps> as HttpDeps);
    onCleanup(() => {
      app.server.closeAllConnections();
      return app.close();
    });
    await app.listen({ host: "127.0.0.1", port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const connections = () =>
      run("select 1 from pg_stat_activity where datname = current_database() and application_name = 'pressrun report'");

    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    get({ port, path: "/v1/reports/products" }, resolve).on("error", reject);
    const held = await promise;
    // Without timers a query is what takes its time: where twenty of them bring no page, the reader stands.
    for (let before = 0; before < pagesAsked;) {
      before = pagesAsked;
      for (let look = 0; look < 20; look += 1) await connections();
    }
    t.mock.timers.tick(REPORT_MS - 1);
    assert.deepEqual([closed, (await connections()).length], [0, connectionsHeld]);
    t.mock.timers.tick(1);
    t.mock.timers.reset();
    await eventually("its place", async () => closed > 0, 5_000);
    await eventually("its connection", async () => (await connections()).length === 0, 5_000);
    assert.match(String(told[0]), /not read within 300 s/);
    // Nobody may take what has come for all of it.
    const cut = await held
      .resume()
      .toArray()
      .then(
        () => null,
        (error: NodeJS.ErrnoException) => error.code,
      );
    assert.equal(cut, "ECONNRESET");
  });

test("a report whose server answers no more gives its place back all the same", { timeout: 20_000 }, async () => {
  const db = await openTestDatabase();
  const { hostname, port } = new URL(db.url);
  const clients: Socket[] = [];
  const way = listen((client) => {
    const server = connect(Number(port), hostname);
    onCleanup(() => [client, server].forEach((socket) => socket.destroy()));
    clients.push(client);
    client.pipe(server).pipe(client);
  }).listen(0, "127.0.0.1");
  onCleanup(() => way.close());
  await once(way, "listening");
  const url = Object.assign(new URL(db.url), { host: `127.0.0.1:${(way.address() as AddressInfo).port}` }).href;
  const report = await openReport(url, "batches", { batchId: null, since: null, until: null, limit: null, tenantId: TENANT });
  for (const client of clients) client.unpipe().pause();
  await report.close();
});
