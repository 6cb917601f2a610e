import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { BatchStatusView } from "../../src/contract/status.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { HOSTS_CHANNEL, parseHostNews } from "../../src/db/host-pauses.ts";
import { listen } from "../../src/db/connection/listen.ts";
import { STRIKES_MAX } from "../../src/domain/load/host-pause.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

/** The first is long enough for a busy machine to meet most of the batch, and to begin another beside it. */
const [FIRST_PAUSE_S, SECOND_PAUSE_S] = [8, 3];
/** From the news to the last request that was on its way. */
const NEWS_MS = 150;

/** Two workers over one database; what one host does to them must not touch another's images. */
describe("a fleet of two workers", () => {
  let api: Service;
  let db: Database;
  const pausedAt: number[] = [];

  before(async () => {
    const url = await createTestDatabase();
    db = connectDatabase({ url, poolMax: 2, onError: () => {} });
    onCleanup(() => db.close());
    const env = {
      DATABASE_URL: url,
      DATA_DIR: await createTestFolder(),
      ENCODERS: "1",
      DOWNLOADS: "32",
      DOWNLOADS_PER_HOST: "8",
      KEEP_INPUTS: "off",
    };
    api = await startService({ ...env, ROLE: "api" });
    await Promise.all([startService({ ...env, ROLE: "worker" }), startService({ ...env, ROLE: "worker" })]);
    const listener = listen({
      url,
      channels: {
        [HOSTS_CHANNEL]: (payload) => {
          const news = payload === null ? null : parseHostNews(payload);
          if (news && !news.isOver) pausedAt.push(performance.now());
        },
      },
    });
    onCleanup(() => listener.close());
    // A job that is to wait is a retry or a release; an image that was tried has an attempt on its row.
    await db.executor.executeSql(`
      create table given_back (at timestamptz not null default clock_timestamp(), ordinal int, batch_id uuid);
      create function note_given_back() returns trigger language plpgsql as $$ begin
        insert into given_back (ordinal, batch_id)
        select ordinal::int, (new.data->>'batchId')::uuid from jsonb_array_elements_text(new.data->'ordinals') as listed(ordinal);
        return null;
      end $$;
      create trigger note_given_back after insert on pgboss.job for each row when (new.name = 'image' and new.start_after > now()) execute function note_given_back()`);
  });

  const msBetween = (status: BatchStatusView) => Date.parse(status.finishedAt ?? "") - Date.parse(status.createdAt);

  test(
    "pauses for a host that asks for it: nobody asks it again, no image spins, and another host's images go on",
    { timeout: 120_000 },
    async (t) => {
      // One single answer of many asks for patience: the process that did not get it has to be told.
      const asked: number[] = [];
      const busy = await startOrigin((_, response) => {
        asked.push(performance.now());
        const pauseS = new Map([
          [100, FIRST_PAUSE_S],
          [300, SECOND_PAUSE_S],
        ]).get(asked.length);
        if (pauseS !== undefined) response.writeHead(429, { "retry-after": String(pauseS) }).end();
        else setTimeout(() => response.writeHead(404).end(), 20);
      });
      const free = await startOrigin();
      const others = (name: string) => catalogueOf(Array.from({ length: 200 }, (_, index) => [`${free.url}/photo/${name}${index}.jpg`]));
      const idle = msBetween(await api.finished((await api.upload(others("a"))).requestId));

      const { requestId } = await api.upload(catalogueOf(Array.from({ length: 2_000 }, (_, index) => [`${busy.url}/${index}.jpg`])));
      await eventually("the first pause", async () => pausedAt.length > 0);
      // A batch that is worked takes the places of what waits: most of this one are met before.
      const met = "select count(distinct ordinal)::int as images from given_back where batch_id = $1";
      await eventually(
        "most of the batch to be met",
        async () => ((await db.executor.executeSql(met, [requestId])).rows[0]?.["images"] as number) > 1_000,
      );
      const beside = msBetween(await api.finished((await api.upload(others("b"))).requestId));
      assert.equal(free.hits.size, 400);
      assert.ok(beside < 2 * idle + 1_000, `200 images of another host took ${beside} ms beside the pause, ${idle} alone`);

      const status = await api.finished(requestId, 60_000);
      assert.equal(pausedAt.length, 2);
      const isWithin = (at: number, from = 0, pauseS = 0) => at > from + NEWS_MS && at < from + pauseS * 1_000 - NEWS_MS;
      const during = asked.filter((at) => isWithin(at, pausedAt[0], FIRST_PAUSE_S) || isWithin(at, pausedAt[1], SECOND_PAUSE_S));
      assert.equal(during.length, 0, `${during.length} of ${asked.length} requests came during a pause`);

      const { rows } = await db.executor.executeSql(
        `
      select count(*)::int as jobs, count(distinct ordinal)::int as images, max(times)::int as "timesMax" from (
        select ordinal, count(*) over (partition by ordinal) as times from given_back
        where batch_id = $1 and at < (select min(at) from given_back where batch_id = $1) + $2 * interval '1 s') in_pause`,
        [requestId, FIRST_PAUSE_S - 0.2],
      );
      t.diagnostic(
        `alone ${idle} ms, beside ${beside} ms; ${asked.length} requests in ${pausedAt.length} pieces of news; in the first pause ${JSON.stringify(rows[0])}`,
      );
      assert.ok((rows[0]?.["images"] as number) > 1_000, "most of the batch was met");
      assert.equal(rows[0]?.["timesMax"], 1, "and each image once");

      assert.equal(status.progress.failed, 2_000, "all were tried in the end");
      const failures = status.products.flatMap(({ errors }) => errors.map((error) => error?.code));
      assert.ok(
        failures.every((code) => code === "not_found"),
        "nobody lost its attempts to the pause",
      );
      assert.deepEqual((await db.executor.executeSql("select * from host_pause")).rows, [], "the host has answered: the pause is gone");
    },
  );

  test("a host that never answers holds nobody else back", { timeout: 60_000 }, async (t) => {
    const mute = await startOrigin(() => {});
    const free = await startOrigin();
    const images = Array.from({ length: 600 }, (_, index) =>
      index % 3 === 2 ? `${free.url}/photo/${index}.jpg` : `${mute.url}/${index}.jpg`,
    );
    const startedAt = performance.now();
    await api.upload(catalogueOf(images.map((url) => [url])));
    await eventually("the images of the other host", async () => free.hits.size === 200, 20_000);
    t.diagnostic(`200 images among 400 of a mute host were fetched within ${Math.round(performance.now() - startedAt)} ms`);
    await mute.close();
    await db.executor.executeSql("update batch set status = 'completed', finished_at = now() where finished_at is null");
  });

  test(
    "gives up the images of a host that has failed for a quarter of an hour after one try, and ends their batch",
    { timeout: 60_000 },
    async () => {
      const dead = await startOrigin((_, response) => response.writeHead(500).end());
      const { host } = new URL(dead.url);
      const free = await startOrigin();
      await db.executor.executeSql(
        `insert into host_pause (host, paused_until, reason, strikes) values ($1, now() + interval '5 minutes', 'connect_failed', $2)`,
        [host, STRIKES_MAX],
      );
      await db.executor.executeSql(
        'select pg_notify($1, row_to_json(news)::text) from (select host, reason, strikes, 300000 as "remainingMs" from host_pause) news',
        [HOSTS_CHANNEL],
      );
      const some = (name: string, count: number) => Array.from({ length: count }, (_, index) => [`${dead.url}/${name}${index}.jpg`]);
      // Each process has each batch try it once.
      const hits = () => [...dead.hits.values()].reduce((total, times) => total + times, 0);
      await eventually("both processes to have heard of it", async () => {
        dead.hits.clear();
        const { progress } = await api.finished((await api.upload(catalogueOf(some("early", 40)))).requestId, 15_000);
        return progress.failed === 40 && hits() <= 2;
      });
      dead.hits.clear();
      const { requestId } = await api.upload(catalogueOf([...some("", 300), [`${free.url}/photo/1.jpg`]]));
      const status = await api.finished(requestId, 15_000);
      assert.deepEqual([status.progress.completed, status.progress.failed], [1, 300]);
      assert.ok(hits() >= 1 && hits() <= 2, `${hits()} requests`);
      const [error] = status.products[0]?.errors ?? [];
      assert.equal(error?.code, "connect_failed");
      assert.match(error?.message ?? "", /has failed for 15 minutes or more; its other images are given up/);
      await db.executor.executeSql("delete from host_pause");
    },
  );

  test(
    "leaves a host alone after twenty failures in a row, and takes no attempt from the images that wait",
    { timeout: 60_000 },
    async () => {
      const broken = await startOrigin((_, response) => response.writeHead(500).end());
      const { requestId } = await api.upload(catalogueOf(Array.from({ length: 500 }, (_, index) => [`${broken.url}/${index}.jpg`])));
      const rows = await eventually("the circuit to open", async () => {
        const found = (await db.executor.executeSql("select host, reason, strikes from host_pause")).rows;
        return found.length > 0 ? found : null;
      });
      assert.deepEqual(rows, [{ host: new URL(broken.url).host, reason: "server_error", strikes: 1 }]);
      const jobsDue = async () =>
        (
          await db.executor.executeSql(
            "select count(*)::int as n from pgboss.job where name = 'image' and state < 'completed' and start_after < now()",
          )
        ).rows[0]?.["n"];
      await eventually("all to be given back", async () => (await jobsDue()) === 0);
      const hits = [...broken.hits.values()].reduce((total, times) => total + times, 0);
      // Each process counts to twenty; eight may have been in flight in each.
      assert.ok(hits <= 2 * (20 + 8), `${hits} requests`);
      const {
        rows: [untouched],
      } = await db.executor.executeSql("select count(*)::int as n from image where batch_id = $1 and attempts = 0", [requestId]);
      assert.ok((untouched?.["n"] as number) >= 500 - hits, "the others have all of their attempts");
    },
  );
});
