import assert from "node:assert/strict";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { once } from "node:events";
import { describe, test } from "node:test";
import { connectDatabase } from "../../src/db/connection/connect.ts";
import { isDatabaseReady } from "../../src/db/connection/readiness.ts";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startService } from "../support/service.ts";
import { slowCatalogue, startSlowOrigin } from "../support/slow-catalogue.ts";

describe("without its database", { concurrency: true }, () => {
  test(
    "while the database is away every answer says so, a stop ends within 30 s, and the next process goes on",
    { timeout: 90_000 },
    async () => {
      const databaseUrl = await createTestDatabase();
      const wire = await startWire(new URL(databaseUrl));
      const origin = await startSlowOrigin(100, await makeSamplePhoto({ width: 320, height: 240, seed: 3, format: "jpeg" }));
      const env = { DATA_DIR: await createTestFolder(), ENCODERS: "1" };
      const first = await startService({
        ...env,
        DATABASE_URL: Object.assign(new URL(databaseUrl), { host: `127.0.0.1:${wire.port}` }).href,
      });
      const { requestId } = await first.upload(slowCatalogue(origin, 40));
      await eventually("the middle", async () => (await first.status(requestId)).progress.completed > 3);

      wire.cut();
      assert.equal(
        (
          await eventually("the news", async () => {
            const response = await fetch(`${first.url}/readyz`);
            return response.status === 503 && response;
          })
        ).status,
        503,
      );
      for (const asked of [
        fetch(`${first.url}/getProcessingStatus/${requestId}`),
        fetch(`${first.url}/uploadAndProcessDocument`, {
          method: "POST",
          headers: { "content-type": "text/csv" },
          body: slowCatalogue(origin, 1),
        }),
      ]) {
        const response = await asked;
        assert.deepEqual(
          [response.status, ((await response.json()) as { code: string }).code, response.headers.get("retry-after")],
          [503, "unavailable", "5"],
        );
      }
      assert.equal((await fetch(`${first.url}/healthz`)).status, 200);
      const startedAt = performance.now();
      await first.kill("SIGTERM");
      assert.ok(performance.now() - startedAt < 30_000);

      const second = await startService({ ...env, DATABASE_URL: databaseUrl });
      assert.deepEqual((await second.finished(requestId)).progress, {
        total: 40,
        completed: 40,
        failed: 0,
        skipped: 0,
        reused: 0,
        percent: 100,
      });
      assert.equal((await second.kill("SIGTERM")).code, 0);
    },
  );

  test("while the database hangs without closing its connections, a stop ends nevertheless", { timeout: 90_000 }, async () => {
    const databaseUrl = await createTestDatabase();
    const wire = await startWire(new URL(databaseUrl));
    const service = await startService({
      DATABASE_URL: Object.assign(new URL(databaseUrl), { host: `127.0.0.1:${wire.port}` }).href,
      DATA_DIR: await createTestFolder(),
      ENCODERS: "1",
    });
    wire.hang();
    const startedAt = performance.now();
    assert.deepEqual(await service.kill("SIGTERM"), { code: 0, signal: null });
    assert.ok(performance.now() - startedAt < 30_000);
  });

  test("who asks whether a database is ready that hangs waits some seconds, not a statement's minute", async () => {
    const databaseUrl = await createTestDatabase();
    const wire = await startWire(new URL(databaseUrl));
    const url = Object.assign(new URL(databaseUrl), { host: `127.0.0.1:${wire.port}` }).href;
    const db = connectDatabase({ url, poolMax: 2, onError: () => {} });
    onCleanup(() => db.close());
    assert.equal(await isDatabaseReady(db), true);
    wire.hang();
    const askedAt = performance.now();
    assert.equal(await isDatabaseReady(db), false, "on the connection that is open");
    assert.equal(await isDatabaseReady(db), false, "on a new one");
    assert.ok(performance.now() - askedAt < 30_000);
  });
});

/** A way to the database that can be cut for good, or hang: what comes from then on is neither handed on nor answered. */
async function startWire(target: URL): Promise<{ port: number; cut(): void; hang(): void }> {
  const sockets = new Set<Socket>();
  let isHanging = false;
  const server = createServer((near) => {
    sockets.add(near.on("error", () => {}));
    if (isHanging) return void near.pause();
    const far = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => {}).on("close", () => to.destroy());
      from.pipe(to);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  onCleanup(cut);
  const hang = () => {
    isHanging = true;
    for (const socket of sockets) socket.unpipe().pause();
  };
  return { port: (server.address() as AddressInfo).port, cut, hang };
}
