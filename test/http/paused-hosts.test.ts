import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { before, beforeEach, describe, test } from "node:test";
import { Webhook } from "standardwebhooks";
import type { AcceptedBatch, Batch } from "../../src/contract/batch.ts";
import type { Problem } from "../../src/contract/problem.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startOrigin, type Origin } from "../support/origin.ts";
import { startReceiver } from "../support/receiver.ts";
import { startService, type Service } from "../support/service.ts";

type Event = {
  type: string;
  data: { status: string; pausedAt: string | null; pauseReason: string | null; pausedHost: Batch["pausedHosts"][number] | null };
};
type Answer = { status: number; answer: Omit<Batch, "status"> & Pick<Problem, "code" | "detail"> };

describe("a host that is paused in a batch", () => {
  let service: Service;
  let db: Database;
  let good: Origin;
  let bad: Origin;
  let env: Record<string, string>;
  /** What the bad origin does with all that is no photo. */
  const forbid = (response: ServerResponse) => void response.writeHead(403).end();
  let refuse = forbid;
  before(async () => {
    good = await startOrigin();
    bad = await startOrigin((_, response) => refuse(response));
    const url = await createTestDatabase();
    db = connectDatabase({ url, poolMax: 1, onError: () => {} });
    onCleanup(() => db.close());
    env = { DATABASE_URL: url, DATA_DIR: await createTestFolder(), DOWNLOADS: "8", ENCODERS: "2" };
    service = await startService(env);
  });
  // A test that failed may have left the bad origin giving images: those after it would wait in vain for a pause.
  beforeEach(() => {
    refuse = forbid;
  });

  const hostOf = ({ url }: Origin) => new URL(url).host;
  const photos = (origin: Origin, name: string, count: number) =>
    Array.from({ length: count }, (_, index) => `${origin.url}/photo/${name}${index}.jpg`);
  const refused = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${bad.url}/${name}/${index}.jpg`);
  const mixed = (one: string[], other: string[]) =>
    Array.from({ length: Math.max(one.length, other.length) }, (_, index) => [one[index], other[index]])
      .flat()
      .flatMap((url) => url ?? []);
  const post = (url: string, body?: unknown) =>
    fetch(url, {
      method: "POST",
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  const begin = async (images: string[], options: Record<string, unknown> = {}): Promise<AcceptedBatch> => {
    const response = await post(`${service.url}/v1/batches`, {
      products: images.map((url, index) => ({ id: `p${index}`, images: [url] })),
      ...options,
    });
    assert.equal(response.status, 202, await response.clone().text());
    return (await response.json()) as AcceptedBatch;
  };
  const look = async ({ batchId }: { batchId: string }) => (await (await fetch(`${service.url}/v1/batches/${batchId}`)).json()) as Batch;
  const until = (what: string, batch: Batch, isSo: (now: Batch) => boolean, withinMs?: number) =>
    eventually(
      what,
      async () => {
        const now = await look(batch);
        return isSo(now) ? now : null;
      },
      withinMs,
    );
  const ended = (batch: Batch, withinMs?: number) =>
    until(`the end of ${batch.batchId}`, batch, (now) => now.finishedAt !== null, withinMs);
  const standingStill = (batch: Batch, withinMs?: number) =>
    until("the others to be done", batch, (now) => now.pausedAt !== null, withinMs);
  const resume = async (batch: Batch, query = "", body?: unknown): Promise<Answer> => {
    const response = await post(`${service.url}/v1/batches/${batch.batchId}/resume${query}`, body);
    return { status: response.status, answer: (await response.json()) as Answer["answer"] };
  };
  const hits = (origin: Origin, prefix: string) =>
    [...origin.hits].filter(([path]) => path.startsWith(prefix)).reduce((sum, [, count]) => sum + count, 0);
  const rowsOf = async (sql: string, ...values: unknown[]) => (await db.executor.executeSql(sql, values)).rows;

  test("is asked for nothing more while all of the others is done, is told of, and goes on where it was when it is resumed", async () => {
    const receiver = await startReceiver();
    const images = mixed(refused("denied", 700), photos(good, "a", 150));
    const batch = await begin(images, { pauseHostAtFailurePercent: 50, webhookUrl: receiver.url });
    assert.deepEqual([batch.pauseHostAtFailurePercent, batch.pausedHosts, batch.hostsPaused, batch.imagesHeld], [50, [], 0, 0]);

    const still = await standingStill(batch);
    const [host] = still.pausedHosts;
    assert.ok(host);
    const asked = hits(bad, "/denied/");
    assert.deepEqual(
      [still.status, still.progress.completed, still.progress.failed, hits(good, "/photo/a"), still.hostsPaused],
      ["processing", 150, asked, 150, 1],
    );
    assert.ok(asked >= 20 && asked < 700, `${asked} of 700 were asked for`);
    assert.deepEqual([host.host, host.settled, host.failed, host.imagesHeld], [hostOf(bad), asked, asked, 700 - asked]);
    assert.equal(still.imagesHeld, 700 - asked);
    assert.match(
      host.pauseReason,
      /^\d+ of \d+ images of 127\.0\.0\.1:\d+ failed \(\d+(\.\d+)? %\), more than the 50 % that pauseHostAtFailurePercent allows; mostly forbidden\.$/,
    );
    assert.equal(
      still.pauseReason,
      `Nothing is left to try but ${700 - asked} images of ${host.host}, which is paused: ${host.pauseReason}`,
    );
    const { pausedHosts, hostsPaused, imagesHeld, pausedAt } = await service.status(batch.batchId);
    assert.deepEqual([pausedHosts, hostsPaused, imagesHeld, pausedAt], [[host], 1, 700 - asked, still.pausedAt]);
    const { batches } = (await (await fetch(`${service.url}/v1/batches`)).json()) as { batches: Batch[] };
    assert.deepEqual(batches.find(({ batchId }) => batchId === batch.batchId)?.pausedHosts, [host]);

    // Another batch is asked of the same host.
    assert.equal((await ended(await begin(photos(bad, "other", 30)))).outcome, "all");
    assert.equal(hits(bad, "/denied/"), asked);

    // The host gives its images again.
    const photo = Buffer.from(await (await fetch(`${bad.url}/photo/it.jpg`)).arrayBuffer());
    refuse = (response) => void response.setHeader("content-type", "image/jpeg").end(photo);
    const answers = await Promise.all([post(host.resumeUrl), post(host.resumeUrl)]);
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 409]);
    const end = await ended(batch);
    refuse = forbid;
    assert.deepEqual(
      [end.status, end.progress.completed, end.progress.failed, end.pausedHosts, end.imagesHeld],
      ["completed", 850 - asked, asked, [], 0],
    );
    for (const url of images) assert.equal((url.startsWith(bad.url) ? bad : good).hits.get(new URL(url).pathname), 1, url);
    assert.deepEqual(
      await rowsOf(
        "select state, count(*)::int as n, max(attempts) as attempts from image where batch_id = $1 group by 1 order by 1",
        batch.batchId,
      ),
      [
        { state: "done", n: 850 - asked, attempts: 1 },
        { state: "failed", n: asked, attempts: 1 },
      ],
    );

    await eventually("four events", async () => receiver.deliveries.length === 4);
    const events = new Map(
      receiver.deliveries
        .map(({ body, headers }) => new Webhook(batch.webhookSecret ?? "").verify(body, headers as Record<string, string>) as Event)
        .map((event) => [event.type, event.data]),
    );
    assert.deepEqual([...events.keys()].toSorted(), ["batch.completed", "batch.host_paused", "batch.host_resumed", "batch.paused"]);
    const told = events.get("batch.host_paused");
    assert.deepEqual(
      [told?.status, told?.pausedAt, told?.pausedHost?.host, told?.pausedHost?.pauseReason, told?.pausedHost?.resumeUrl],
      ["processing", null, host.host, host.pauseReason, host.resumeUrl],
    );
    assert.deepEqual([events.get("batch.paused")?.pauseReason, events.get("batch.paused")?.pausedHost], [still.pauseReason, null]);
    assert.deepEqual(events.get("batch.host_resumed")?.pausedHost, { ...host });
  });

  test("is resumed with its batch, under other budgets where they are given; what names no paused host changes nothing", async () => {
    const batch = await begin([...refused("whole", 800), ...photos(good, "b", 5)], { pauseHostAtFailurePercent: 20 });
    const still = await standingStill(batch);
    assert.equal(still.hostsPaused, 1);
    const cases: [string, unknown, number, string][] = [
      [`?host=${hostOf(good)}`, undefined, 409, "host_not_paused"],
      ["?host=", undefined, 422, "invalid_options"],
      [`?host=${hostOf(bad)}&host=b`, undefined, 422, "invalid_options"],
      [`?host=${"h".repeat(300)}`, undefined, 422, "invalid_options"],
      [`?hots=${hostOf(bad)}`, undefined, 422, "invalid_options"],
      [`?host=${hostOf(bad)}`, { pauseAtFailurePercent: 50 }, 422, "invalid_options"],
      [`?host=${hostOf(bad)}`, { pauseHostAtFailurePercent: 0 }, 422, "invalid_options"],
      ["", { host: hostOf(bad) }, 422, "invalid_options"],
    ];
    for (const [query, body, status, code] of cases) {
      const refusal = await resume(batch, query, body);
      assert.deepEqual([refusal.status, refusal.answer.code], [status, code], `${query} ${JSON.stringify(body)}`);
    }
    assert.match((await resume(batch, `?host=${hostOf(good)}`)).answer.detail, /pausedHosts/);
    assert.deepEqual(await look(batch), still);

    const resumed = await resume(batch, "", { pauseHostAtFailurePercent: null });
    assert.deepEqual(
      [
        resumed.status,
        resumed.answer.pausedAt,
        resumed.answer.pausedHosts,
        resumed.answer.hostsPaused,
        resumed.answer.imagesHeld,
        resumed.answer.pauseHostAtFailurePercent,
      ],
      [200, null, [], 0, 0, null],
    );
    const end = await ended(batch);
    assert.deepEqual([end.progress.completed, end.progress.failed], [5, 800]);
    assert.equal(hits(bad, "/whole/"), 800);
    assert.equal((await resume(batch)).answer.code, "batch_not_paused");
    assert.equal((await resume(batch, `?host=${hostOf(bad)}`)).answer.code, "host_not_paused");
  });

  test("is resumed while the others are at work, and paused again when it fails again", async () => {
    const kept: ServerResponse[] = [];
    const slow = await startOrigin((_, response) => void kept.push(response));
    const batch = await begin([`${slow.url}/last.jpg`, ...refused("again", 1_500)], { pauseHostAtFailurePercent: 50 });
    const first = await until("the pause", batch, (now) => now.hostsPaused === 1);
    assert.equal(first.pausedAt, null, "one of another host is still in hand");
    await until("what is in hand", batch, (now) => now.progress.failed + now.imagesHeld === 1_500);
    const asked = hits(bad, "/again/");
    assert.equal((await resume(batch, `?host=${hostOf(bad).toUpperCase()}`, { pauseHostAtFailurePercent: 60 })).status, 200);
    const second = await until("the second pause", batch, (now) => now.hostsPaused === 1);
    assert.match(second.pausedHosts[0]?.pauseReason ?? "", /more than the 60 %/);
    await until("what is in hand", batch, (now) => now.progress.failed + now.imagesHeld === 1_500);
    const [again] = (await look(batch)).pausedHosts;
    assert.equal(again?.settled, hits(bad, "/again/") - asked, "what failed before the resume counts no longer");
    const whole = await resume(batch, "", { pauseHostAtFailurePercent: 100 });
    assert.deepEqual([whole.status, whole.answer.hostsPaused], [200, 0], "the batch itself was not paused");
    await until("all of the host", batch, (now) => now.progress.failed === 1_500);
    kept.splice(0).forEach((response) => response.writeHead(404).end());
    assert.equal((await ended(batch)).progress.failed, 1_501);
  });

  test(
    "stays paused through the death of workers, and none of its images is lost or settled twice by two of them",
    { timeout: 120_000 },
    async () => {
      const start = () => startService({ ...env, ROLE: "worker" });
      await service.kill("SIGTERM");
      service = await startService({ ...env, ROLE: "api" });
      const [one, two] = await Promise.all([start(), start()]);
      const kept: ServerResponse[] = [];
      refuse = (response) => void kept.push(response);
      const images = mixed(refused("killed", 1_200), photos(good, "killed", 2_200));
      const batch = await begin(images, { pauseHostAtFailurePercent: 50 });
      await eventually("both to have some in hand", async () => hits(bad, "/killed/") >= 12);
      await one.kill("SIGKILL");
      refuse = forbid;
      kept.splice(0).forEach(forbid);
      const three = await start();
      const still = await standingStill(batch, 60_000);
      const [host] = still.pausedHosts;
      assert.ok(host);
      assert.deepEqual(
        [still.progress.completed, still.progress.failed + still.imagesHeld, host.failed],
        [2_200, 1_200, still.progress.failed],
      );
      assert.ok(still.imagesHeld > 100, `${still.imagesHeld} are held`);
      const asked = hits(bad, "/killed/");
      assert.deepEqual(
        [...bad.hits].filter(([path, count]) => path.startsWith("/killed/") && count > 1),
        [],
        "what a dead worker had in hand is not tried again",
      );

      // Those of a dead worker come back to nobody's queue.
      refuse = (response) => void kept.push(response);
      await two.kill("SIGKILL");
      await three.kill("SIGKILL");
      const [four, five] = await Promise.all([start(), start()]);
      assert.equal((await ended(await begin(photos(good, "after", 30)))).outcome, "all");
      assert.deepEqual([hits(bad, "/killed/"), (await look(batch)).pausedHosts], [asked, [host]]);

      assert.equal((await resume(batch, `?host=${host.host}`, { pauseHostAtFailurePercent: 100 })).status, 200);
      await eventually("some to be in hand again", async () => hits(bad, "/killed/") >= asked + 12);
      await four.kill("SIGKILL");
      refuse = forbid;
      kept.splice(0).forEach(forbid);
      const end = await ended(batch, 60_000);
      assert.deepEqual([end.progress.completed, end.progress.failed], [2_200, 1_200]);
      const [rows] = await rowsOf(
        "select count(*) filter (where state = 'done')::int as done, count(*) filter (where state = 'failed')::int as failed, max(attempts) as attempts from image where batch_id = $1",
        batch.batchId,
      );
      assert.deepEqual(rows, { done: 2_200, failed: 1_200, attempts: 1 });
      assert.deepEqual(
        await rowsOf("select 1 from host_share where batch_id = $1 union all select 1 from held_image where batch_id = $1", batch.batchId),
        [],
      );
      await five.kill("SIGTERM");
    },
  );
});
