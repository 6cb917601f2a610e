import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failed, succeeded } from "../../src/domain/image/stage-result.ts";
import { probeSample, type ProbeImage } from "../../src/intake/probe-sample.ts";

const never = new AbortController().signal;
const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
const urls = (count: number) => Array.from({ length: count }, (_, index) => `https://shop.example/${index}.jpg`);

describe("trying a sample", () => {
  test("tries each once, sixteen at a time", async () => {
    const tried: string[] = [];
    let running = 0;
    let most = 0;
    const probe: ProbeImage = async (url) => {
      tried.push(url);
      most = Math.max(most, (running += 1));
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return url.endsWith("7.jpg") ? failed("not_found") : succeeded({ bytes: 1, megapixels: 1 });
    };
    const { trials, unfinished } = await probeSample(probe, urls(40), never);
    assert.deepEqual([tried.toSorted(), most, unfinished], [urls(40).toSorted(), 16, 0]);
    assert.equal(trials.filter(({ result }) => !result.ok).length, 4);
  });

  test("ends in time, and what had not ended is neither good nor bad", async () => {
    const probe: ProbeImage = (url, signal) =>
      url.endsWith("/0.jpg") ? Promise.resolve(succeeded({ bytes: 1, megapixels: 1 })) : untilAborted(signal);
    const { trials, unfinished } = await probeSample(probe, urls(40), never, 20);
    assert.deepEqual([trials.map(({ url }) => url), unfinished], [["https://shop.example/0.jpg"], 39]);
  });

  test("does not take our own full disk for the image's fault", async () => {
    const { trials, unfinished } = await probeSample(async () => failed("storage_failed"), urls(3), never);
    assert.deepEqual([trials, unfinished], [[], 3]);
  });

  test("throws the reason of whoever aborts, and what nobody expected", async () => {
    const gone = new AbortController();
    let ended = 0;
    const probing = probeSample((_, signal) => untilAborted(signal).finally(() => (ended += 1)), urls(5), gone.signal);
    gone.abort(new Error("gone"));
    await assert.rejects(probing, /gone/);
    assert.equal(ended, 5, "nothing runs on");
    await assert.rejects(
      probeSample(async () => Promise.reject(new TypeError("a surprise")), urls(5), never),
      /a surprise/,
    );
  });
});
