import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { clearHostPause, HOSTS_CHANNEL, listHostPauses, pauseHost, strikeHost } from "../../../src/db/host-pauses.ts";
import type { Database } from "../../../src/db/connection/connect.ts";
import { listen } from "../../../src/db/connection/listen.ts";
import { FAILURES_MAX, STRIKES_MAX, strikePauseMs } from "../../../src/domain/load/host-pause.ts";
import type { ImageCode } from "../../../src/domain/image/image-code.ts";
import { failed } from "../../../src/domain/image/stage-result.ts";
import { HostPaused } from "../../../src/net/host-watch.ts";
import { HostPauses } from "../../../src/worker/guards/host-pauses.ts";
import { onCleanup } from "../../support/cleanup.ts";
import { createTestDownloader } from "../../support/downloader.ts";
import { createTestFolder } from "../../support/folder.ts";
import { startOrigin } from "../../support/origin.ts";
import { openTestDatabase } from "../../support/database.ts";
import { eventually } from "../../support/eventually.ts";

const HOST = "shop.example";

describe("pauses of hosts", () => {
  let db: Database;
  before(async () => (db = await openTestDatabase()));

  /**
   * A process of the fleet, with a clock of its own that the test moves on. One that hears no news reads none of its own pauses again that it
   * told before its clock was moved on.
   */
  const startProcess = async ({ hearsNews } = { hearsNews: true }) => {
    let ahead = 0;
    const pauses = new HostPauses({
      executor: db.executor,
      now: () => performance.now() + ahead,
      random: () => 0,
      onError: (error) => assert.fail(String(error)),
    });
    onCleanup(() => pauses.stop());
    if (hearsNews) {
      const connected = Promise.withResolvers<void>();
      const onNews = (payload: string | null) => (pauses.onNotify(payload), connected.resolve());
      const listener = listen({ url: db.url, channels: { [HOSTS_CHANNEL]: onNews } });
      onCleanup(() => listener.close());
      await connected.promise;
    }
    const fail = (code: ImageCode, retryAfterMs?: number) =>
      pauses.onFailure(HOST, failed(code, "x", retryAfterMs === undefined ? {} : { retryAfterMs }).failure);
    return { pauses, fail, forward: (ms: number) => (ahead += ms) };
  };
  const rows = async () =>
    (
      await db.executor.executeSql(
        `select host, reason, strikes, round(extract(epoch from paused_until - now()))::int as seconds from host_pause`,
      )
    ).rows;
  const row = () => eventually("the row", async () => (await rows())[0]);
  const reset = () => db.executor.executeSql("delete from host_pause");
  /** As if the pause, and so much more time, had passed. */
  const age = (seconds: number) =>
    db.executor.executeSql(
      `update host_pause set paused_until = now() - $1 * interval '1 s', updated_at = updated_at - $1 * interval '1 s'`,
      [seconds],
    );

  test("one process is asked for patience, and every process knows", async () => {
    const [asked, other] = [await startProcess(), await startProcess()];
    assert.equal(other.pauses.meet(HOST), null);
    asked.fail("rate_limited", 60_000);
    assert.ok(asked.pauses.isPaused(HOST), "at once where it was heard");
    await eventually("the other to know", async () => other.pauses.isPaused(HOST), 1_000);
    const met = other.pauses.meet(HOST);
    assert.ok(met?.kind === "release" && met.delayMs > 59_000 && met.delayMs <= 60_100, JSON.stringify(met));
    assert.equal(other.pauses.isPaused("other.example"), false);
    assert.deepEqual(await row(), { host: HOST, reason: "rate_limited", strikes: 0, seconds: 60 });

    const late = await startProcess();
    await eventually("one that has just started to know", async () => late.pauses.isPaused(HOST));
    other.forward(61_000);
    assert.equal(other.pauses.meet(HOST), null, "its time is over, and all go on");
    await reset();
  });

  /** A process whose database answers as the test says. */
  const readWith = (answer: () => Promise<{ rows: Record<string, unknown>[] }>): HostPauses => {
    const executor = { executeSql: answer };
    const pauses = new HostPauses({
      executor,
      now: () => performance.now(),
      random: () => 0,
      onError: (error) => assert.fail(String(error)),
    });
    onCleanup(() => pauses.stop());
    return pauses;
  };

  test("a reading that does not end is waited for, and no other begins", (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    let readings = 0;
    const pauses = readWith(() => {
      readings += 1;
      return new Promise(() => {});
    });
    pauses.onNotify(null);
    t.mock.timers.tick(60_000);
    pauses.onNotify(null);
    assert.equal(readings, 1);
  });

  test("news without end are read a quarter of a second apart, the first at once", async () => {
    const readAt: number[] = [];
    const pauses: HostPauses = readWith(async () => {
      readAt.push(performance.now());
      // Comes while it is read, and is not in it.
      if (readAt.length < 4) pauses.onNotify(null);
      return { rows: [] };
    });
    pauses.onNotify(null);
    assert.equal(readAt.length, 1);
    await eventually("four readings", async () => readAt.length === 4);
    assert.ok((readAt[3] ?? 0) - (readAt[0] ?? 0) >= 3 * 240, String(readAt));
  });

  test("a shorter wish does not shorten a pause, and thirty answers in flight are told once", async () => {
    let told = 0;
    const { pauses, fail } = await startProcess();
    const connected = Promise.withResolvers<void>();
    const listener = listen({
      url: db.url,
      channels: { [HOSTS_CHANNEL]: (payload) => (payload === null ? connected.resolve() : void (told += 1)) },
    });
    onCleanup(() => listener.close());
    await connected.promise;
    fail("rate_limited", 60_000);
    for (let index = 0; index < 30; index += 1) fail("rate_limited", index % 2 === 0 ? 60_000 : 1_000);
    await row();
    await pauseHost(db.executor, { host: HOST, pauseMs: 1_000, reason: "server_error" });
    await eventually("the news", async () => told > 0);
    assert.ok(((await row())["seconds"] as number) > 58);
    assert.ok(told <= 2, `${told} messages`);
    assert.ok(pauses.isPaused(HOST));
    await reset();
  });

  test("twenty failures in a row open the circuit; one answer between them does not let them add up", async () => {
    const { pauses, fail } = await startProcess();
    const codes = ["connect_failed", "timed_out", "dns_failed", "server_error", "tls_failed"] as const;
    for (let index = 0; index < FAILURES_MAX - 1; index += 1) fail(codes[index % codes.length] ?? "timed_out");
    fail("not_found");
    for (let index = 0; index < FAILURES_MAX - 1; index += 1) fail("timed_out");
    fail("truncated");
    fail("address_blocked");
    assert.equal(pauses.isPaused(HOST), false);
    fail("timed_out");
    assert.ok(pauses.isPaused(HOST));
    assert.deepEqual(await row(), { host: HOST, reason: "timed_out", strikes: 1, seconds: 30 });
    await reset();
  });

  test("what was asked for before a host's last answer says of no row of failures that it is one", async () => {
    const { pauses, forward } = await startProcess({ hearsNews: false });
    const late = (waitedMs: number) => pauses.onFailure(HOST, { ...failed("timed_out", "x").failure, waitedMs });
    forward(60_000);
    pauses.onSuccess(HOST);
    forward(10_000);
    // Five at once are served, and the others of 32 wait for them.
    for (let index = 0; index < FAILURES_MAX + 7; index += 1) late(30_000);
    assert.equal(pauses.isPaused(HOST), false);
    for (let index = 0; index < FAILURES_MAX - 1; index += 1) late(9_000);
    assert.equal(pauses.isPaused(HOST), false);
    late(9_000);
    assert.ok(pauses.isPaused(HOST));
    await eventually("the row", async () => (await rows())[0]);
    await reset();
  });

  test("a host that answers 503 to many and gives the others is paused for two seconds; one that gives nothing fails", async () => {
    const { pauses, forward } = await startProcess({ hearsNews: false });
    const busy = () => {
      const { failure } = failed("server_error", "x", { isBusy: true });
      pauses.onFailure(HOST, failure);
      if (pauses.whatDid(HOST, failure).kind === "asked") pauses.onFirstBusy(HOST, failure);
    };
    pauses.onSuccess(HOST);
    for (let index = 0; index < FAILURES_MAX - 1; index += 1) busy();
    assert.deepEqual(await row(), { host: HOST, reason: "server_error", strikes: 0, seconds: 2 });
    forward(61_000);
    await age(1);
    // Of all that is asked for at once, a limit of requests gives one, after it has refused the others.
    for (let index = 0; index < FAILURES_MAX + 11; index += 1) busy();
    forward(999);
    busy();
    assert.equal(pauses.isPaused(HOST), false);
    forward(1);
    busy();
    assert.ok(pauses.isPaused(HOST));
    await eventually("the strike", async () => (await row())["strikes"] === 1);
    assert.equal((await row())["seconds"], 30);
    await reset();
  });

  test("an image that is refused again while others come waits alone, and comes back as the first after no pause", async () => {
    const { pauses, forward } = await startProcess({ hearsNews: false });
    const refuse = async (code: ImageCode, isRefusedAgain = false) => {
      pauses.onFailure(HOST, { ...failed(code, "x", { retryAfterMs: 600_000 }).failure, isRefusedAgain });
      if (pauses.isPaused(HOST)) await eventually("the row", async () => (await rows())[0]?.["reason"] === code);
    };
    const delayOf = (wasRefused: boolean) => {
      const met = pauses.meet(HOST, { wasRefused });
      return met?.kind === "release" ? met.delayMs : NaN;
    };
    pauses.onSuccess(HOST);
    await refuse("rate_limited");
    const refused = delayOf(true);
    assert.ok(refused - delayOf(false) >= 4, "one that was not refused comes before it");
    // It comes first nevertheless. The pause is not counted to the minute after which a host that gives nothing is to be spared.
    forward(601_000);
    await refuse("rate_limited", true);
    assert.equal(pauses.isPaused(HOST), false);
    forward(40_000);
    await refuse("server_error");
    forward(621_000);
    await refuse("rate_limited", true);
    assert.ok(pauses.isPaused(HOST), "it has given nothing for a minute between its pauses");
    await reset();
  });

  test("after the pause of a failing host one image tries it: its failure doubles the pause, its success ends it for all", async () => {
    const [one, other] = [await startProcess(), await startProcess()];
    for (let index = 0; index < FAILURES_MAX; index += 1) one.fail("connect_failed");
    await eventually("the other to know", async () => other.pauses.isPaused(HOST));
    for (const { forward } of [one, other]) forward(31_000);
    await age(1);
    assert.equal(one.pauses.meet(HOST), null, "the trial");
    for (let index = 0; index < 3; index += 1) assert.equal(one.pauses.meet(HOST)?.kind, "release", "nobody else until it is back");
    one.fail("connect_failed");
    await eventually("the second strike", async () => (await row())["strikes"] === 2);
    assert.deepEqual(await row(), { host: HOST, reason: "connect_failed", strikes: 2, seconds: 60 });

    await age(1);
    for (const { forward } of [one, other]) forward(61_000);
    assert.equal(other.pauses.meet(HOST), null);
    other.pauses.onSuccess(HOST);
    await eventually("no row", async () => (await rows()).length === 0);
    await eventually("all to go on", async () => one.pauses.meet(HOST) === null && one.pauses.meet(HOST) === null);
  });

  test("after the pause of a failing host one image tries it, also of those that another host redirects there", async () => {
    const { pauses, forward } = await startProcess({ hearsNews: false });
    const othersBack = Promise.withResolvers<void>();
    const failing = await startOrigin((_, response) => void othersBack.promise.then(() => response.writeHead(404).end()));
    const origin = await startOrigin((_, response) => response.writeHead(302, { location: `${failing.url}/file` }).end());
    const { host } = new URL(failing.url);
    for (let index = 0; index < FAILURES_MAX; index += 1) pauses.onFailure(host, failed("connect_failed").failure);
    await row();
    await age(1);
    forward(31_000);
    const downloader = createTestDownloader({ hosts: pauses.of() });
    const path = join(await createTestFolder(), "file");
    const back: unknown[] = [];
    const tries = Array.from({ length: 5 }, () =>
      downloader.download({ url: origin.url, path, signal: AbortSignal.timeout(10_000) }).catch((error: unknown) => {
        back.push(error instanceof HostPaused && error.host);
        if (back.length === 4) othersBack.resolve();
      }),
    );
    await Promise.all(tries);
    assert.deepEqual(back, Array(4).fill(host));
    assert.equal(failing.hits.get("/file"), 1);
    await eventually("its answer to end the pause", async () => (await rows()).length === 0);
  });

  test("processes that see the same failures give one strike; pauses double up to ten minutes, and are forgotten after half an hour", async () => {
    const ladder: unknown[] = [];
    for (let index = 0; index < 7; index += 1) {
      await Promise.all([1, 2, 3].map(() => strikeHost(db.executor, { host: HOST, reason: "dns_failed" })));
      const { strikes, seconds } = await row();
      ladder.push([strikes, seconds]);
      await age(1);
    }
    assert.deepEqual(ladder, [
      [1, 30],
      [2, 60],
      [3, 120],
      [4, 240],
      [5, 480],
      [6, 600],
      [7, 600],
    ]);
    await age(31 * 60);
    assert.deepEqual(await listHostPauses(db.executor), []);
    await strikeHost(db.executor, { host: HOST, reason: "dns_failed" });
    assert.deepEqual(await row(), { host: HOST, reason: "dns_failed", strikes: 1, seconds: 30 });
    await age(25 * 3600);
    await listHostPauses(db.executor);
    assert.deepEqual(await rows(), [], "swept");
  });

  test("a host that asks for patience and gives nothing earns a strike every two and a half minutes: the sixth ends its images", async () => {
    const { pauses } = await startProcess();
    const ask = () => pauseHost(db.executor, { host: HOST, pauseMs: 2_000, reason: "rate_limited" });
    await ask();
    await ask();
    assert.equal((await row())["strikes"], 0);
    for (let strikes = 1; strikes <= 6; strikes += 1) {
      assert.equal(pauses.meet(HOST)?.kind ?? "release", "release");
      await age(151);
      await ask();
      await ask();
      assert.equal((await row())["strikes"], strikes);
    }
    const met = await eventually("the news", async () => {
      const found = pauses.meet(HOST);
      return found?.kind === "give_up" && found;
    });
    assert.ok(met.failure.code === "rate_limited" && !met.failure.retry);
    await reset();
  });

  test("the images of a host that only fails are given up after a quarter of an hour, when the trial after the fifth pause fails", async () => {
    const [one, other] = [await startProcess(), await startProcess()];
    for (let index = 0; index < FAILURES_MAX; index += 1) one.fail("connect_failed");
    let passedMs = 0;
    const isKnown = (strikes: number) =>
      eventually(
        "all to know",
        async () => other.pauses.isPaused(HOST) && one.pauses.isPaused(HOST) && (await row())["strikes"] === strikes,
      );
    for (let strikes = 1; strikes < STRIKES_MAX; strikes += 1) {
      await isKnown(strikes);
      for (const { pauses } of [one, other]) assert.equal(pauses.meet(HOST)?.kind, "release", `after ${passedMs} ms`);
      await age(1);
      passedMs += strikePauseMs(strikes);
      for (const { forward } of [one, other]) forward(strikePauseMs(strikes) + 1_000);
      // Whoever comes first tries it.
      const [trying, waiting] = strikes % 2 === 0 ? [other, one] : [one, other];
      assert.equal(trying.pauses.meet(HOST), null);
      assert.equal(trying.pauses.meet(HOST)?.kind, "release", "its trial may still succeed");
      trying.fail("connect_failed");
      await eventually("the other to hear of it", async () => waiting.pauses.isPaused(HOST));
    }
    assert.ok(passedMs >= 15 * 60_000 && passedMs < 16 * 60_000, `${passedMs} ms`);
    await isKnown(STRIKES_MAX);
    for (const { pauses } of [one, other]) assert.equal(pauses.meet(HOST)?.kind, "give_up");
    await reset();
  });

  test("a certificate that is not good ends its host's images by one trial after half a minute, and another a minute later frees them", async () => {
    const [one, other] = [await startProcess(), await startProcess()];
    const pass = async (seconds: number) => {
      await eventually("all to know", async () => one.pauses.isPaused(HOST) && other.pauses.isPaused(HOST));
      await age(1);
      for (const { forward } of [one, other]) forward((seconds + 1) * 1_000);
    };
    for (let index = 0; index < FAILURES_MAX; index += 1) one.fail("connect_failed");
    await pass(30);
    one.fail("tls_failed");
    await eventually("the second strike", async () => (await row())["strikes"] === 2);
    assert.deepEqual(await row(), { host: HOST, reason: "tls_failed", strikes: 2, seconds: 60 });
    assert.equal(one.pauses.meet(HOST)?.kind, "release", "once may be a server that starts");
    await pass(60);
    other.fail("tls_failed");
    await eventually("the last strike", async () => (await row())["strikes"] === STRIKES_MAX);
    assert.deepEqual(await row(), { host: HOST, reason: "tls_failed", strikes: STRIKES_MAX, seconds: 60 });
    await eventually("all to know", async () => one.pauses.isPaused(HOST));
    for (const { pauses } of [one, other]) {
      const met = pauses.meet(HOST);
      assert.ok(met?.kind === "give_up" && /TLS connection to the host shop.example .*half a minute/.test(met.failure.detail));
    }
    await pass(60);
    assert.equal(one.pauses.meet(HOST), null);
    one.pauses.onSuccess(HOST);
    await eventually("all to go on", async () => other.pauses.meet(HOST) === null && other.pauses.meet(HOST) === null);
    await reset();
  });

  test("names that are not found wait no shorter than other failures: a resolver may be down", async () => {
    const { pauses, fail, forward } = await startProcess();
    for (let index = 0; index < FAILURES_MAX; index += 1) fail("dns_failed");
    await row();
    await age(1);
    forward(31_000);
    fail("dns_failed");
    await eventually("the second strike", async () => (await row())["strikes"] === 2);
    assert.equal(pauses.meet(HOST)?.kind, "release");
    await reset();
  });

  /** What becomes of an image of this batch, and what it says of the host where it was tried. */
  const batchesOf = (pauses: HostPauses) => ({
    meet: (batchId: string, wasTried = false) => pauses.meet(HOST, { wasTried }, { batchId })?.kind ?? "try",
    failOf: (batchId: string, code: ImageCode = "server_error") => pauses.onFailure(HOST, failed(code).failure, { batchId }),
  });

  test("all batches whose failures paused a host come behind one that has met none, and not only the last of them", async () => {
    const { pauses, forward } = await startProcess({ hearsNews: false });
    const { meet, failOf } = batchesOf(pauses);
    for (let index = 1; index < FAILURES_MAX; index += 1) failOf("broken");
    failOf("other");
    assert.equal(meet("good"), "release");
    await eventually("the strike", async () => (await rows())[0] !== undefined && pauses.isPaused(HOST));
    await age(1);
    forward(strikePauseMs(1) + 1);
    assert.deepEqual([meet("broken"), meet("other"), meet("good")], ["release", "release", "try"]);
  });

  test("batches take turns at trying a host that fails, each with an image that was not tried before where it has one", async () => {
    const { pauses, forward } = await startProcess({ hearsNews: false });
    const { meet, failOf } = batchesOf(pauses);
    const pass = async (strikes: number) => {
      await eventually("the strike", async () => (await rows())[0] !== undefined && pauses.isPaused(HOST));
      await age(1);
      forward(strikePauseMs(strikes) + 1);
    };
    for (let index = 0; index < FAILURES_MAX; index += 1) failOf("broken");
    const first = pauses.meet(HOST, { wasTried: true }, { batchId: "broken" });
    const better = pauses.meet(HOST, {}, { batchId: "good" });
    assert.ok(first?.kind === "release" && better?.kind === "release");
    assert.ok(better.delayMs <= first.delayMs, "it comes back no later than one that was met before it");
    await pass(1);
    assert.deepEqual([meet("broken", true), meet("broken"), meet("good", true), meet("good")], ["release", "release", "release", "try"]);
    failOf("good");

    for (const batchId of ["good", "broken", "good"]) assert.equal(meet(batchId), "release");
    await pass(2);
    assert.deepEqual([meet("good"), meet("broken", true), meet("broken")], ["release", "release", "try"]);
    failOf("broken");

    assert.equal(meet("good"), "release");
    await pass(3);
    assert.deepEqual([meet("new"), meet("good")], ["try", "release"]);
    failOf("new");

    // The one that was to come first may have been cancelled.
    assert.equal(meet("good"), "release");
    await pass(4);
    assert.equal(meet("new", true), "release");
    forward(10_000);
    assert.equal(meet("new", true), "try");
    await reset();
  });

  test("an image that was told to come first does, where others of its batch had begun before the pause and fail in it", async () => {
    const { pauses, forward } = await startProcess({ hearsNews: false });
    const { meet, failOf } = batchesOf(pauses);
    for (let index = 0; index < FAILURES_MAX; index += 1) failOf("only");
    assert.deepEqual([meet("only"), meet("only")], ["release", "release"]);
    for (let index = 0; index < 12; index += 1) failOf("only");
    await row();
    forward(30_001);
    assert.deepEqual([meet("only", true), meet("only"), meet("only")], ["release", "try", "release"]);
    await reset();
  });

  test("after six strikes each batch tries the host once, twenty of them at once, before its images are given up", async () => {
    await db.executor.executeSql(
      `insert into host_pause (host, paused_until, reason, strikes) values ($1, now() + interval '5 minutes', 'dns_failed', $2)`,
      [HOST, STRIKES_MAX],
    );
    const { pauses, forward } = await startProcess();
    const { meet, failOf } = batchesOf(pauses);
    await eventually("the news", async () => meet("a") === "release");
    assert.equal(pauses.isPaused(HOST, { batchId: "a" }), false, "an image of it is being tried");
    const others = Array.from({ length: FAILURES_MAX - 1 }, (_, index) => `other ${index}`);
    assert.deepEqual(new Set(others.map((batchId) => meet(batchId))), new Set(["try"]), "a mute host takes 40 s for each");
    assert.deepEqual([meet("b"), meet("other 1")], ["release", "release"]);
    failOf("a", "dns_failed");
    const met = pauses.meet(HOST, {}, { batchId: "a" });
    assert.ok(met?.kind === "give_up" && met.failure.code === "dns_failed");
    assert.ok(pauses.isPaused(HOST, { batchId: "a" }));
    assert.deepEqual([meet("b"), meet("b"), meet("c")], ["try", "release", "release"]);
    failOf("b", "dns_failed");
    assert.deepEqual([meet("a"), meet("b")], ["give_up", "give_up"]);
    assert.deepEqual([meet("c"), meet("d")], ["try", "release"]);
    forward(60_000);
    assert.equal(meet("e"), "try", "no more is heard of those that are being tried");
    failOf("e", "dns_failed");
    forward(241_000);
    assert.deepEqual([meet("a"), meet("d"), meet("b")], ["give_up", "try", "give_up"], "the trial after the pause");
    await reset();
  });

  test("a batch whose image comes from a host of six strikes frees it for all", async () => {
    await strikeHost(db.executor, { host: HOST, reason: "server_error" });
    await db.executor.executeSql("update host_pause set strikes = $1", [STRIKES_MAX]);
    const [one, other] = [await startProcess(), await startProcess()];
    for (const { pauses } of [one, other]) {
      const { meet, failOf } = batchesOf(pauses);
      await eventually("the news", async () => meet("broken") === "release");
      failOf("broken");
      assert.equal(meet("broken"), "give_up");
    }
    assert.equal(batchesOf(one.pauses).meet("good"), "try");
    one.pauses.onSuccess(HOST);
    await eventually("no row", async () => (await rows()).length === 0);
    await eventually("all to go on", async () => batchesOf(other.pauses).meet("broken") === "try");
    await reset();
  });

  test("a process that misses the news of a host that is back has it from the table", async () => {
    let table: object[] = [{ host: HOST, reason: "connect_failed", strikes: STRIKES_MAX, isAsked: false, remainingMs: 600_000 }];
    const pauses = readWith(async () => ({ rows: table as Record<string, unknown>[] }));
    const { meet, failOf } = batchesOf(pauses);
    pauses.onNotify(null);
    await eventually("the pause", async () => meet("a") === "release");
    failOf("a", "connect_failed");
    assert.equal(meet("a"), "give_up");
    table = [];
    pauses.onNotify(null);
    await eventually("it to go on", async () => meet("a") === "try", 2_000);
  });

  test("a host of six strikes that asks for its pause is asked by no further batch in it, and no late answer ends it", async () => {
    await strikeHost(db.executor, { host: HOST, reason: "server_error" });
    await db.executor.executeSql("update host_pause set strikes = $1", [STRIKES_MAX]);
    const [one, other] = [await startProcess(), await startProcess()];
    for (const { pauses } of [one, other]) await eventually("the news", async () => batchesOf(pauses).meet("a") === "release");
    one.pauses.onFailure(HOST, failed("server_error", "x", { retryAfterMs: 600_000 }).failure, { batchId: "a" });
    for (const { pauses } of [one, other]) {
      await eventually("all to know", async () => batchesOf(pauses).meet("b") === "give_up");
      assert.ok(pauses.isPaused(HOST, { batchId: "b" }));
      pauses.onSuccess(HOST, { batchId: "c" });
    }
    await clearHostPause(db.executor, HOST);
    assert.ok(one.pauses.isPaused(HOST) && other.pauses.isPaused(HOST));
    assert.deepEqual(await row(), { host: HOST, reason: "server_error", strikes: STRIKES_MAX, seconds: 600 });

    await age(1);
    await strikeHost(db.executor, { host: HOST, reason: "server_error" });
    assert.deepEqual(
      (await listHostPauses(db.executor)).map(({ isAsked }) => isAsked),
      [false],
      "the next is a strike's",
    );
    await reset();
  });

  test("a batch of which a host gives nothing, while it gives another's images, is paused there by itself", async () => {
    const { pauses, forward } = await startProcess({ hearsNews: false });
    const { meet, failOf } = batchesOf(pauses);
    pauses.onSuccess(HOST, { batchId: "good" });
    for (let index = 0; index < FAILURES_MAX; index += 1) failOf("broken");
    assert.deepEqual([meet("broken"), meet("good"), meet("good")], ["release", "try", "try"]);
    assert.ok(pauses.isPaused(HOST, { batchId: "broken" }) && !pauses.isPaused(HOST, { batchId: "good" }));
    assert.deepEqual(await rows(), [], "the fleet is told of no pause");
    for (let strikes = 1; strikes < STRIKES_MAX; strikes += 1) {
      forward(strikePauseMs(strikes) + 1);
      assert.deepEqual([meet("broken"), meet("broken")], ["try", "release"], "one at a time, and longer from one to the next");
      failOf("broken");
      assert.equal(meet("broken"), strikes + 1 < STRIKES_MAX ? "release" : "give_up");
    }
    pauses.onSuccess(HOST, { batchId: "broken" });
    assert.deepEqual([meet("broken"), meet("broken")], ["try", "try"]);

    // It died: of the second batch in a row it is the host's.
    pauses.onSuccess(HOST, { batchId: "good" });
    for (const batchId of ["broken", "new"]) for (let index = 0; index < FAILURES_MAX; index += 1) failOf(batchId);
    assert.equal(meet("good"), "release");
    await row();
    await reset();
  });

  test("a batch whose own pause at a host is over waits as long as the host's, and not for a trial of its own", async () => {
    const { pauses, forward } = await startProcess({ hearsNews: false });
    const { failOf } = batchesOf(pauses);
    pauses.onSuccess(HOST, { batchId: "good" });
    for (let index = 0; index < FAILURES_MAX; index += 1) failOf("broken");
    forward(31_000);
    for (let index = 0; index < FAILURES_MAX; index += 1) failOf("new");
    await row();
    for (let index = 0; index < 3; index += 1) {
      const met = pauses.meet(HOST, {}, { batchId: "broken" });
      assert.ok(met?.kind === "release" && met.delayMs > 29_000, JSON.stringify(met));
    }
    await reset();
  });

  test("news that somebody made up pauses and frees no host: the table has the word", async () => {
    const { pauses, fail } = await startProcess();
    fail("rate_limited", 60_000);
    await row();
    const notify = (news: object) => db.executor.executeSql("select pg_notify($1, $2)", [HOSTS_CHANNEL, JSON.stringify(news)]);
    await notify({ host: "victim.example", remainingMs: 86_400_000, reason: "dns_failed", strikes: 5 });
    await notify({ host: HOST, isOver: true });
    // What is really paused comes behind them, and is known when they have been heard.
    await pauseHost(db.executor, { host: "last.example", pauseMs: 60_000, reason: "rate_limited" });
    await eventually("the last news", async () => pauses.isPaused("last.example"), 1_000);
    assert.deepEqual([pauses.isPaused("victim.example"), pauses.meet("victim.example"), pauses.isPaused(HOST)], [false, null, true]);
    await reset();
  });

  test("what is no news, and hosts that cannot be, change nothing", async () => {
    const { pauses } = await startProcess();
    for (const payload of [
      "",
      "x",
      "null",
      "[]",
      "{}",
      '{"host":1}',
      '{"host":"a","remainingMs":"1","reason":"dns_failed","strikes":1}',
      '{"host":"a","remainingMs":99999,"reason":"toString","strikes":1}',
    ])
      pauses.onNotify(payload);
    assert.equal(pauses.isPaused("a"), false);
    const long = "a".repeat(3_000);
    for (let index = 0; index < FAILURES_MAX; index += 1) pauses.onFailure(long, failed("dns_failed").failure);
    assert.equal(pauses.isPaused(long), false);
  });
});
