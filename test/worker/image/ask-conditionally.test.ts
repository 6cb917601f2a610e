import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failed, succeeded, type StageResult } from "../../../src/domain/image/stage-result.ts";
import type { Download, DownloadOrder } from "../../../src/net/download-order.ts";
import { askConditionally } from "../../../src/worker/image/ask-conditionally.ts";

const FILE = {
  path: "",
  bytes: 5,
  isEndTold: true,
  sha256: "00",
  finalUrl: "",
  status: 200,
  contentType: null,
  etag: null,
  lastModified: null,
  head: Buffer.from("photo"),
};
const unchanged = succeeded({ ...FILE, status: 304, bytes: 0, head: Buffer.alloc(0) });
const failing: StageResult<never> = { ok: false, failure: { ...failed("server_error").failure, isOfCondition: true } };

describe("what is asked with a condition", () => {
  /** What the origin answers with a condition and without. */
  let answers: { with: StageResult<Download>; without: StageResult<Download> };
  const start = () => {
    let clockMs = 0;
    const asked: string[] = [];
    const download = askConditionally(
      async ({ validators, isAgain }: DownloadOrder) => {
        asked.push(validators ? "with" : isAgain ? "again" : "without");
        return validators ? answers.with : answers.without;
      },
      () => clockMs,
    );
    return {
      wait: (ms: number) => (clockMs += ms),
      /** How often it was asked how, and what came of the last. */
      async ask(times: number, host = "shop.test") {
        asked.length = 0;
        const url = `https://${host}/1.jpg`;
        const order = { url, path: "", signal: new AbortController().signal, validators: { of: url, etag: '"1"', lastModified: null } };
        for (let index = 1; index < times; index += 1) await download(order);
        const result = await download(order);
        const countOf = (how: string) => asked.filter((one) => one === how).length;
        return [countOf("with"), countOf("again"), countOf("without"), result.ok ? result.value.status : result.failure.code];
      },
    };
  };

  test("is asked without one for ten minutes after ten in a row have failed at a host that then gave the file", async () => {
    const { ask, wait } = start();
    answers = { with: failing, without: succeeded(FILE) };
    assert.deepEqual(await ask(9), [9, 9, 0, 200]);
    answers = { with: unchanged, without: succeeded(FILE) };
    assert.deepEqual(await ask(1), [1, 0, 0, 304], "one that holds");
    answers = { with: failing, without: succeeded(FILE) };
    assert.deepEqual(await ask(30), [10, 10, 20, 200]);
    assert.deepEqual(await ask(1, "other.test"), [1, 1, 0, 200]);
    wait(600_000);
    assert.deepEqual(await ask(1), [1, 1, 0, 200]);
  });

  test("is asked with one by and by where the host is down, or has nothing but pages", async () => {
    const page = succeeded({ ...FILE, head: Buffer.from("<html>") });
    for (const [withCondition, without, end] of [
      [failing, failed("server_error"), "server_error"],
      [failed("not_found"), failed("not_found"), "not_found"],
      [page, page, 200],
    ] as const) {
      answers = { with: withCondition, without };
      assert.deepEqual(await start().ask(30), [30, 30, 0, end]);
    }
    answers = { with: failed("timed_out"), without: succeeded(FILE) };
    assert.deepEqual(await start().ask(30), [30, 0, 0, "timed_out"]);
  });

  test("is asked again without one where a page comes that is not plainly one, and not where a file is called a page", async () => {
    const page = "<!doctype html><title>Just a moment</title>";
    const html = "text/html; charset=utf-8";
    for (const [head, contentType, end] of [
      [Buffer.from("\r\n".repeat(520) + page), "image/jpeg", [1, 1, 0, 200]],
      [Buffer.from(`<!--${" ".repeat(2_000)}-->${page}`), null, [1, 1, 0, 200]],
      [Buffer.from("Checking your browser"), html, [1, 1, 0, 200]],
      [Buffer.from("ffd8ffe000104a464946", "hex"), html, [1, 0, 0, 203]],
      [Buffer.from("photo"), "image/jpeg", [1, 0, 0, 203]],
    ] as const) {
      answers = { with: succeeded({ ...FILE, status: 203, head, contentType }), without: succeeded(FILE) };
      assert.deepEqual(await start().ask(1), end, head.toString("latin1", 0, 40));
    }
  });

  test("remembers the thousand hosts that failed last", async () => {
    const { ask } = start();
    answers = { with: failing, without: succeeded(FILE) };
    for (let host = 0; host <= 1_000; host += 1) await ask(10, `${host}.test`);
    assert.deepEqual(await ask(1, "0.test"), [1, 1, 0, 200]);
    assert.deepEqual(await ask(1, "2.test"), [0, 0, 1, 200]);
  });
});
