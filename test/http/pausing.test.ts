import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { before, describe, test } from "node:test";
import { Webhook } from "standardwebhooks";
import type { AcceptedBatch, Batch } from "../../src/contract/batch.ts";
import type { Problem } from "../../src/contract/problem.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { startReceiver } from "../support/receiver.ts";
import { startService, type Service } from "../support/service.ts";

type Event = { type: string; data: { status: string; outcome: string | null; pausedAt: string | null; pauseReason: string | null } };

describe("a batch that is paused", () => {
  let service: Service;
  let db: Database;
  let origin: Origin;
  let env: Record<string, string>;
  /** Answers that the origin keeps back. */
  const kept: ServerResponse[] = [];
  before(async () => {
    origin = await startOrigin((_, response, url) => {
      if (url.pathname.startsWith("/kept/")) kept.push(response);
      // As far away as an origin is: within a millisecond each, all could be refused before the first is recorded.
      else setTimeout(() => response.writeHead(403).end(), 30);
    });
    const url = await createTestDatabase();
    db = connectDatabase({ url, poolMax: 1, onError: () => {} });
    onCleanup(() => db.close());
    env = { DATABASE_URL: url, DATA_DIR: await createTestFolder(), DOWNLOADS: "8", DOWNLOADS_PER_HOST: "4", ENCODERS: "2" };
    service = await startService(env);
  });

  const photos = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${origin.url}/photo/${name}${index}.jpg`);
  const refusing = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${origin.url}/${name}/${index}.jpg`);
  const post = (path: string, body?: unknown) =>
    fetch(`${service.url}${path}`, {
      method: "POST",
      ...(body === undefined
        ? {}
        : { body: typeof body === "string" ? body : JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  const begin = async (images: string[], options: Record<string, unknown> = {}): Promise<AcceptedBatch> => {
    const response = await post("/v1/batches", { products: images.map((url, index) => ({ id: `p${index}`, images: [url] })), ...options });
    assert.equal(response.status, 202, await response.clone().text());
    return (await response.json()) as AcceptedBatch;
  };
  const look = async ({ batchId }: { batchId: string }) => (await (await fetch(`${service.url}/v1/batches/${batchId}`)).json()) as Batch;
  const paused = (batch: Batch) => eventually("the pause", async () => ((await look(batch)).pausedAt === null ? null : look(batch)));
  const ended = (batch: Batch) =>
    eventually(`the end of ${batch.batchId}`, async () => ((await look(batch)).finishedAt === null ? null : look(batch)));
  const change = async (batch: Batch, what: "pause" | "resume", body?: unknown) => {
    const response = await post(`/v1/batches/${batch.batchId}/${what}`, body);
    const answer = (await response.json()) as Omit<Batch, "status"> & Pick<Problem, "code">;
    return { status: response.status, answer };
  };
  const hits = (prefix: string) => [...origin.hits].filter(([path]) => path.startsWith(prefix)).reduce((sum, [, count]) => sum + count, 0);
  const rowsOf = async (sql: string, ...values: unknown[]) => (await db.executor.executeSql(sql, values)).rows;
  const answerKept = () => {
    const answering = setInterval(() => kept.splice(0).forEach((response) => response.writeHead(404).end()), 20);
    onCleanup(() => clearInterval(answering));
    return answering;
  };
  /** Nothing of it is in hand or waits in the queue. */
  const atRest = ({ batchId }: Batch) =>
    eventually("what is in hand to be settled", async () => {
      const [row] = await rowsOf(
        "select count(*)::int as n from pgboss.job where name = 'image' and data->>'batchId' = $1 and state < 'completed'",
        batchId,
      );
      return row?.["n"] === 0;
    });

  test("because too much fails says so, tries nothing more, and ends whole after it is resumed", async () => {
    const receiver = await startReceiver();
    const images = [...photos("a", 13), ...refusing("denied", 87), ...photos("b", 100)];
    const batch = await begin(images, { pauseAtFailurePercent: 30, webhookUrl: receiver.url });
    assert.deepEqual([batch.pauseAtFailurePercent, batch.pausedAt, batch.pauseReason], [30, null, null]);

    const { pausedAt, pauseReason, status } = await paused(batch);
    assert.equal(status, "processing");
    assert.match(
      pauseReason ?? "",
      /^\d+ of \d+ images failed \(\d+(\.\d+)? %\), more than the 30 % that pauseAtFailurePercent allows; mostly forbidden from 127\.0\.0\.1:\d+\.$/,
    );
    await atRest(batch);
    const { progress } = await look(batch);
    const settled = progress.completed + progress.failed;
    assert.ok(settled >= 20 && settled < 200, `${settled} were settled`);
    const asked = hits("/denied/") + hits("/photo/");
    assert.equal(asked, settled);

    // Another batch goes on, and while it does, nothing more of this one is asked for.
    const other = await ended(await begin(photos("other", 150)));
    assert.equal(other.outcome, "all");
    assert.equal(hits("/denied/") + hits("/photo/a") + hits("/photo/b"), asked);
    const seed = await service.status(batch.batchId);
    assert.deepEqual([seed.status, seed.pausedAt, seed.pauseReason], ["processing", pausedAt, pauseReason]);
    const { batches } = (await (await fetch(`${service.url}/v1/batches?limit=50`)).json()) as { batches: Batch[] };
    assert.equal(batches.find(({ batchId }) => batchId === batch.batchId)?.pauseReason, pauseReason);

    const answers = await Promise.all([
      change(batch, "resume", { pauseAtFailurePercent: null }),
      change(batch, "resume", { pauseAtFailurePercent: null }),
    ]);
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 409]);
    const resumed = answers.find(({ status }) => status === 200)?.answer;
    assert.deepEqual([resumed?.pausedAt, resumed?.pauseReason, resumed?.pauseAtFailurePercent], [null, null, null]);
    assert.equal(answers.find(({ status }) => status === 409)?.answer.code, "batch_not_paused");

    const end = await ended(batch);
    assert.deepEqual([end.status, end.progress.completed, end.progress.failed], ["completed", 113, 87]);
    for (const url of images) assert.equal(origin.hits.get(new URL(url).pathname), 1, url);
    assert.deepEqual(
      await rowsOf(
        "select state, count(*)::int as n, max(attempts) as attempts from image where batch_id = $1 group by 1 order by 1",
        batch.batchId,
      ),
      [
        { state: "done", n: 113, attempts: 1 },
        { state: "failed", n: 87, attempts: 1 },
      ],
    );

    await eventually("three events", async () => receiver.deliveries.length === 3);
    const events = receiver.deliveries
      .map(({ body, headers }) => new Webhook(batch.webhookSecret ?? "").verify(body, headers as Record<string, string>) as Event)
      .toSorted((a, b) => a.type.localeCompare(b.type));
    assert.deepEqual(
      events.map(({ type, data }) => [type, data.status, data.outcome, data.pausedAt, data.pauseReason]),
      [
        ["batch.completed", "completed", "some", null, null],
        ["batch.paused", "processing", null, pausedAt, pauseReason],
        ["batch.resumed", "processing", null, null, null],
      ],
    );
  });

  test(
    "stays paused when the service is killed, and what was in hand is not tried again before the resume",
    { timeout: 90_000 },
    async () => {
      const names = Array.from({ length: 40 }, (_, index) => `/kept/killed-${index}.jpg`);
      const batch = await begin(names.map((name) => `${origin.url}${name}`));
      await eventually("some to be in hand", async () => hits("/kept/killed") >= 4);
      const { status, answer } = await change(batch, "pause");
      assert.deepEqual([status, answer.pauseReason], [200, "Paused by hand."]);
      await service.kill("SIGKILL");
      const asked = hits("/kept/killed");
      assert.ok(asked < 40, `${asked} of 40 were asked for`);
      kept.splice(0);
      service = await startService(env);
      // The dead worker's claims come back to us, and leave the queue without a try.
      await atRest(batch);
      assert.equal((await ended(await begin(photos("after", 30)))).outcome, "all");
      assert.equal(hits("/kept/killed"), asked);
      assert.equal((await look(batch)).pausedAt, answer.pausedAt);

      assert.equal((await change(batch, "resume")).status, 200);
      const answering = answerKept();
      assert.equal((await ended(batch)).progress.failed, 40);
      clearInterval(answering);
      assert.deepEqual(await rowsOf("select max(attempts) as attempts from image where batch_id = $1", batch.batchId), [{ attempts: 1 }]);
    },
  );

  test("ends when the last of it was in hand, and is paused no longer", async () => {
    const batch = await begin([`${origin.url}/kept/last-1.jpg`, `${origin.url}/kept/last-2.jpg`]);
    await eventually("both to be in hand", async () => kept.length === 2);
    assert.equal((await change(batch, "pause")).status, 200);
    kept.splice(0).forEach((response) => response.writeHead(404).end());
    const end = await ended(batch);
    assert.deepEqual([end.status, end.pausedAt, end.pauseReason], ["failed", null, null]);
    const answers = [await change(batch, "pause"), await change(batch, "resume")];
    assert.deepEqual(
      answers.map(({ status, answer }) => [status, answer.code]),
      [
        [409, "batch_ended"],
        [409, "batch_not_paused"],
      ],
    );
  });

  test("gives back what does not come in time: its requests end, nothing counts as tried, and a resume asks again", async () => {
    const batch = await begin(Array.from({ length: 4 }, (_, index) => `${origin.url}/kept/back-${index}.jpg`));
    await eventually("all to be in hand", async () => kept.length === 4);
    assert.equal((await change(batch, "pause")).status, 200);
    await eventually("the requests to end", async () => kept.every(({ destroyed }) => destroyed));
    await atRest(batch);
    const { progress, pausedAt } = await look(batch);
    assert.deepEqual([progress.failed, pausedAt === null], [0, false]);
    assert.deepEqual(await rowsOf("select distinct state, attempts from image where batch_id = $1", batch.batchId), [
      { state: "planned", attempts: 0 },
    ]);

    assert.equal((await change(batch, "resume")).status, 200);
    const answering = answerKept();
    const end = await ended(batch);
    clearInterval(answering);
    assert.deepEqual([end.progress.failed, end.pausedAt, end.pauseReason, hits("/kept/back-")], [4, null, null, 8]);
  });

  test("asks for nothing more: what waits for its host's turn is given back at once, what is being fetched may come", async () => {
    const batch = await begin(refusing("kept/turn", 60));
    const inHand = async () => {
      const sql =
        "select coalesce(sum(jsonb_array_length(data->'ordinals')), 0)::int as n from pgboss.job where name = 'image' and data->>'batchId' = $1 and state = 'active'";
      return Number((await rowsOf(sql, batch.batchId))[0]?.["n"]);
    };
    await eventually("four to be asked for and others to wait", async () => kept.length === 4 && (await inHand()) > 8);
    assert.equal((await change(batch, "pause")).status, 200);
    await eventually("those that wait to be given back", async () => (await inHand()) === 4);
    kept.splice(0).forEach((response) => response.writeHead(404).end());
    await atRest(batch);
    assert.deepEqual([(await look(batch)).progress.failed, hits("/kept/turn/")], [4, 4]);
  });

  test("by hand is paused once, and a resume that is not understood changes nothing", async () => {
    // Many more than are in hand at once, so that no two settles can end it before the budget is looked at.
    const batch = await begin(
      Array.from({ length: 150 }, (_, index) => `${origin.url}/kept/hand-${index}.jpg`),
      { pauseAtFailurePercent: 20 },
    );
    const first = await change(batch, "pause");
    const again = await change(batch, "pause");
    assert.deepEqual([first.status, again.status, again.answer.pausedAt], [200, 200, first.answer.pausedAt]);
    assert.deepEqual(await rowsOf("select type from event where batch_id = $1", batch.batchId), [{ type: "batch.paused" }]);

    const cases: [unknown, number, string][] = [
      ["{", 400, "bad_request"],
      ["[]", 422, "invalid_options"],
      [{ pauseAtFailurePercent: 0 }, 422, "invalid_options"],
      [{ pauseAtFailurePercent: 101 }, 422, "invalid_options"],
      [{ pauseAtFailurePercent: "50" }, 422, "invalid_options"],
      [{ percent: 50 }, 422, "invalid_options"],
      [" ".repeat(2_000), 413, "upload_too_large"],
    ];
    for (const [body, status, code] of cases) {
      const refused = await change(batch, "resume", body);
      assert.deepEqual([refused.status, refused.answer.code], [status, code], JSON.stringify(body));
    }
    assert.equal((await post(`/v1/batches/${batch.batchId}/resume`, "")).status, 200);
    assert.equal((await look(batch)).pauseAtFailurePercent, 20);
    for (const id of ["019abc12-3456-7def-8123-456789abcdef", "nothing"])
      assert.equal((await change({ batchId: id } as Batch, "pause")).status, 404);
    const answering = answerKept();
    const { pausedAt } = await paused(batch);
    assert.ok(pausedAt, "the budget that it had still holds");
    assert.equal((await change(batch, "resume", { pauseAtFailurePercent: null })).status, 200);
    assert.equal((await ended(batch)).progress.failed, 150);
    clearInterval(answering);
  });

  test("is not resumed by a form, whose budget would be passed over; JSON is asked for", async () => {
    const batch = await begin([`${origin.url}/kept/form.jpg`]);
    await change(batch, "pause");
    const form = new FormData();
    form.set("pauseAtFailurePercent", "50");
    for (const body of [form, new URLSearchParams({ pauseAtFailurePercent: "50" })]) {
      const response = await fetch(`${service.url}/v1/batches/${batch.batchId}/resume`, { method: "POST", body });
      const { code, detail } = (await response.json()) as Problem;
      assert.deepEqual([response.status, code], [415, "unsupported_media_type"], detail);
      assert.match(detail, /application\/json/);
    }
    assert.ok((await look(batch)).pausedAt);
  });

  for (const option of ["pauseAtFailurePercent", "pauseHostAtFailurePercent"] as const)
    test(`takes ${option} from every way in, and refuses what is none`, async () => {
      const csv = catalogueOf([photos("option", 1)]);
      const seed = await service.upload(csv, { [option]: "25" });
      assert.equal((await look({ batchId: seed.requestId }))[option], 25);
      const query = await fetch(`${service.url}/v1/batches?${option}=1`, {
        method: "POST",
        body: csv,
        headers: { "content-type": "text/csv" },
      });
      assert.equal(((await query.json()) as Batch)[option], 1);
      assert.equal((await begin(photos("option", 1)))[option], null);
      for (const percent of [0, 101, "many", 1.5]) {
        const refused = await post("/v1/batches", { products: [], [option]: percent });
        assert.equal(refused.status, 422);
        assert.match(((await refused.json()) as Problem).detail, new RegExp(option));
      }
    });
});
