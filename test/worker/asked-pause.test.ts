import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AcceptedBatch, Batch } from "../../src/contract/batch.ts";
import { connectDatabase } from "../../src/db/connection/connect.ts";
import { HOSTS_CHANNEL } from "../../src/db/host-pauses.ts";
import { listen } from "../../src/db/connection/listen.ts";
import { PATIENCE_MS } from "../../src/domain/load/host-pause.ts";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startOrigin } from "../support/origin.ts";
import { startService } from "../support/service.ts";

describe("a host that asks for patience", { concurrency: true }, () => {
  test("a host that asks for patience costs its images no attempt, for a quarter of an hour each", { timeout: 90_000 }, async () => {
    const photo = await makeSamplePhoto({ width: 64, height: 48, seed: 1, format: "jpeg" });
    /** More than an image has attempts. */
    const refusals = 6;
    const asked = new Map<string, number>();
    const origin = await startOrigin((_, response, url) => {
      const count = (asked.get(url.pathname) ?? 0) + 1;
      asked.set(url.pathname, count);
      if (url.pathname !== "/refused.jpg" && count > refusals) return void response.setHeader("content-type", "image/jpeg").end(photo);
      if (url.pathname === "/unsaid.jpg" && count > 1) return void response.setHeader("content-type", "image/jpeg").end(photo);
      if (url.pathname === "/unsaid.jpg") return void response.writeHead(503).end();
      response.writeHead(url.pathname === "/busy.jpg" ? 503 : 429, { "retry-after": "1" }).end();
    });
    const url = await createTestDatabase();
    const db = connectDatabase({ url, poolMax: 1, onError: () => {} });
    onCleanup(() => db.close());
    const rowsOf = async (sql: string, ...values: unknown[]) => (await db.executor.executeSql(sql, values)).rows;
    const service = await startService({ DATABASE_URL: url, DATA_DIR: await createTestFolder(), ENCODERS: "1" });
    const begin = async (paths: string[]): Promise<AcceptedBatch> => {
      const body = JSON.stringify({ products: paths.map((path) => ({ images: [`${origin.url}${path}`] })) });
      const response = await fetch(`${service.url}/v1/batches`, { method: "POST", headers: { "content-type": "application/json" }, body });
      return (await response.json()) as AcceptedBatch;
    };
    const ended = ({ links }: Batch) =>
      eventually(
        "the end",
        async () => {
          const now = (await (await fetch(links.self)).json()) as Batch;
          return now.finishedAt === null ? null : now;
        },
        60_000,
      );

    const batch = await begin(["/limited.jpg", "/busy.jpg"]);
    assert.equal((await ended(batch)).progress.completed, 2);
    assert.deepEqual(await rowsOf("select attempts from image where batch_id = $1", batch.batchId), [{ attempts: 1 }, { attempts: 1 }]);
    assert.deepEqual(await rowsOf("select * from image_attempt where batch_id = $1", batch.batchId), []);

    // A 503 that names no time is taken for the same while the host gives others.
    const unsaid = await begin(["/unsaid.jpg"]);
    assert.equal((await ended(unsaid)).progress.completed, 1);
    assert.equal(asked.get("/unsaid.jpg"), 2);
    assert.deepEqual(await rowsOf("select * from image_attempt where batch_id = $1", unsaid.batchId), []);

    // One that has been asked to wait for longer than that has its attempts like any other.
    const { batchId } = await begin(["/refused.jpg"]);
    const putBack = `
    update pgboss.job set start_after = now(), data = jsonb_set(data, '{askedSince}', to_jsonb((data->>'askedSince')::bigint - $2::bigint))
    where name = 'image' and state = 'created' and data->>'batchId' = $1 and data ? 'askedSince' returning 1`;
    await eventually("it to wait", async () => (await rowsOf(putBack, batchId, PATIENCE_MS)).length === 1);
    await eventually(
      "an attempt to be counted",
      async () => {
        const [row] = await rowsOf("select attempts, code from image where batch_id = $1", batchId);
        return row?.["attempts"] === 1 && row["code"] === "rate_limited";
      },
      30_000,
    );
  });

  test("of a host that refuses one image only, the others are paused for that once", { timeout: 60_000 }, async () => {
    const photo = await makeSamplePhoto({ width: 64, height: 48, seed: 1, format: "jpeg" });
    let refusals = 0;
    // As Varnish answers a path whose backend fails.
    const origin = await startOrigin((_, response, url) => {
      if (url.pathname !== "/broken.jpg") return void response.setHeader("content-type", "image/jpeg").end(photo);
      refusals += 1;
      response.writeHead(503, { "retry-after": "1" }).end();
    });
    const { service, pauses } = await startCounting();
    const paths = Array.from({ length: 150 }, (_, index) => (index === 5 ? "/broken.jpg" : `/${index}.jpg`));
    const response = await fetch(`${service.url}/v1/batches`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ products: paths.map((path) => ({ images: [`${origin.url}${path}`] })) }),
    });
    const { links } = (await response.json()) as AcceptedBatch;
    await eventually(
      "all others, and three refusals",
      async () => refusals >= 3 && ((await (await fetch(links.self)).json()) as Batch).progress.completed === paths.length - 1,
      40_000,
    );
    assert.equal(pauses(), 1);
  });

  for (const status of [429, 503])
    test(
      `of a host that answers ${status} to what comes too soon, images come one after the other, and nearly without a pause`,
      { timeout: 60_000 },
      async () => {
        const photo = await makeSamplePhoto({ width: 64, height: 48, seed: 1, format: "jpeg" });
        let gaveAt = -Infinity;
        let asked = 0;
        // nginx's limit_req, of fifty a second and no burst.
        const origin = await startOrigin((_, response) => {
          asked += 1;
          if (performance.now() - gaveAt < 20) return void response.writeHead(status).end();
          gaveAt = performance.now();
          response.setHeader("content-type", "image/jpeg").end(photo);
        });
        const { service, pauses } = await startCounting();
        const response = await fetch(`${service.url}/v1/batches`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ products: Array.from({ length: 200 }, (_, index) => ({ images: [`${origin.url}/${index}.jpg`] })) }),
        });
        const { links } = (await response.json()) as AcceptedBatch;
        await eventually("all of them", async () => ((await (await fetch(links.self)).json()) as Batch).progress.completed === 200, 50_000);
        // One for each image, had each second one been refused.
        assert.ok(pauses() <= 10, `${pauses()} pauses`);
        assert.ok(asked <= 400, `${asked} requests`);
      },
    );
});

/** A service that tells how many pauses of hosts it has announced. */
async function startCounting(): Promise<{ service: Awaited<ReturnType<typeof startService>>; pauses: () => number }> {
  const url = await createTestDatabase();
  const connected = Promise.withResolvers<void>();
  let pauses = 0;
  const onNews = (news: string | null) => (news === null ? connected.resolve() : void (pauses += news.includes("remainingMs") ? 1 : 0));
  const listener = listen({ url, channels: { [HOSTS_CHANNEL]: onNews } });
  onCleanup(() => listener.close());
  await connected.promise;
  const service = await startService({ DATABASE_URL: url, DATA_DIR: await createTestFolder(), ENCODERS: "1" });
  return { service, pauses: () => pauses };
}
