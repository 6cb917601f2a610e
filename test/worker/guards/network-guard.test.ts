import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { ImageCode } from "../../../src/domain/image/image-code.ts";
import { failed } from "../../../src/domain/image/stage-result.ts";
import { createHostGate, watchForGate } from "../../../src/net/host-gate.ts";
import { NO_WATCH } from "../../../src/net/host-watch.ts";
import { createLog } from "../../../src/observe/log.ts";
import { createNetworkGuard } from "../../../src/worker/guards/network-guard.ts";
import { createTestDownloader, SHORT_LIMITS } from "../../support/downloader.ts";
import { createTestFolder } from "../../support/folder.ts";
import { startOrigin } from "../../support/origin.ts";

const ANSWER = { status: 200, ms: 1 };
const HOSTS = ["a.example", "b.example", "c.example", "d.example", "e.example"];

/** A guard with a clock of its own that the test moves on. */
function startGuard() {
  let ms = 0;
  const guard = createNetworkGuard({ now: () => ms, log: createLog("silent") });
  const watch = guard.watch(NO_WATCH);
  const fail = (host: string, code: ImageCode) => watch.onFailure(host, failed(code, "x").failure);
  const goAway = () => {
    for (const host of HOSTS) watch.onSuccess(host);
    for (const host of HOSTS) fail(host, "timed_out");
  };
  const isAway = () => guard.isToBlame(failed("timed_out", "x").failure);
  return { guard, watch, fail, goAway, isAway, forward: (by: number) => (ms += by) };
}

describe("the guard of the network", () => {
  test("takes an answer that breaks off for no sign that the network is back, nor for the image's fault", () => {
    const { guard, fail, goAway, isAway } = startGuard();
    goAway();
    fail("a.example", "truncated");
    assert.ok(isAway());
    assert.ok(guard.isToBlame(failed("truncated", "x").failure));
    fail("a.example", "server_error");
    assert.ok(!isAway());
  });

  test("takes no host that is late for silent while bytes come, but one that refuses", () => {
    const { guard, watch, fail, isAway, forward } = startGuard();
    for (const host of HOSTS) watch.onSuccess(host);
    guard.onBytes();
    forward(9_000);
    for (const host of HOSTS) fail(host, "timed_out");
    for (const host of HOSTS) fail(host, "dns_failed");
    assert.ok(!isAway());
    for (const host of HOSTS) fail(host, "connect_failed");
    assert.ok(isAway());
    watch.onSuccess("a.example");
    forward(2_000);
    for (const host of HOSTS) fail(host, "timed_out");
    assert.ok(isAway());
  });

  test("takes a head for an answer, though its body comes too slowly", async () => {
    const { watch, goAway, isAway } = startGuard();
    const origin = await startOrigin((_, response) => void response.writeHead(200, { "content-length": "1000" }).write("half"));
    const downloader = createTestDownloader({ limits: SHORT_LIMITS, hosts: watch });
    goAway();
    const path = join(await createTestFolder(), "image.tmp");
    const result = await downloader.download({ url: `${origin.url}/slow`, path, signal: AbortSignal.timeout(5_000) });
    assert.ok(!result.ok && result.failure.code === "timed_out");
    assert.ok(!isAway());
  });

  test("has the trials walk down the queue, to hosts that work behind many images of those that fail", () => {
    const { guard, watch, fail, goAway, isAway, forward } = startGuard();
    goAway();
    // As the queue hands them out: the first that need not wait.
    const queue = Array.from({ length: 21 }, (_, place) => ({ host: HOSTS[place] ?? "a.example", isGood: place === 20, from: 0 }));
    let nowMs = 0;
    for (; isAway() && nowMs < 15 * 60_000; forward(500), nowMs += 500) {
      const next = guard.claimMax() > 0 ? queue.find(({ from }) => from <= nowMs) : undefined;
      if (next?.isGood) watch.onHead?.("works.example", ANSWER);
      else if (next) {
        fail(next.host, "timed_out");
        next.from = nowMs + guard.retryMs();
      }
    }
    assert.ok(nowMs < 2 * 60_000, `met after ${nowMs} ms`);
    goAway();
    assert.equal(guard.retryMs(), 5_000);
  });

  test("forgets of ten thousand hosts and more those that answered longest ago", () => {
    const { watch, goAway, isAway, fail } = startGuard();
    const answerOthers = (from: number, count: number) => {
      for (let other = from; other < from + count; other += 1) watch.onSuccess(`${other}.example`);
    };
    for (const host of HOSTS) watch.onSuccess(host);
    answerOthers(0, 9_995);
    for (const host of HOSTS) watch.onSuccess(host);
    answerOthers(9_995, 100);
    for (const host of HOSTS) fail(host, "timed_out");
    assert.ok(isAway());
    answerOthers(0, 10_000);
    for (const host of HOSTS) fail(host, "timed_out");
    assert.ok(!isAway(), "forgotten");
    goAway();
    assert.ok(isAway());
  });

  test("leaves each host the room that it had before the outage", async () => {
    const { watch, goAway } = startGuard();
    const gate = createHostGate({ max: 8, perHostMax: 4 });
    const gated = watchForGate(gate, watch);
    /** How many of four that come at once wait, after one more has failed. */
    const waitAfterFailure = async () => {
      const leave = await gate.enter("a.example", AbortSignal.timeout(5_000));
      gated.onFailure("a.example", failed("connect_failed", "x").failure);
      const others = Array.from({ length: 3 }, () => gate.enter("a.example", AbortSignal.timeout(5_000)));
      const { waiting } = gate;
      leave();
      for (const other of others) (await other)();
      return waiting;
    };
    goAway();
    assert.equal(await waitAfterFailure(), 0);
    gated.onHead?.("b.example", ANSWER);
    assert.ok((await waitAfterFailure()) > 0);
  });
});
