import assert from "node:assert/strict";
import { test } from "node:test";
import { createProgress } from "../../src/cli/progress.ts";

function recorder(terminal: { isTTY: boolean; columns?: number }) {
  const written: string[] = [];
  let at = 0;
  const out = { ...terminal, write: (text: string) => written.push(text) > 0 } as unknown as NodeJS.WriteStream;
  const progress = createProgress(out, () => at);
  return { progress, written, wait: (ms: number) => (at += ms) };
}

test("on a terminal one line moves in place, with rate, time left and reasons, and never wraps", () => {
  const { progress, written, wait } = recorder({ isTTY: true, columns: 200 });
  progress.show({ done: 0, failed: 0, total: 1_000 });
  wait(2_000);
  progress.show({
    done: 90,
    failed: 10,
    total: 1_000,
    reasons: [
      { code: "not_found", images: 8 },
      { code: "timed_out", images: 2 },
    ],
  });
  progress.note("Note: the disk is full");
  progress.end();
  assert.deepEqual(written, [
    `\r\u001B[K[${"░".repeat(30)}]   0 %  0/1,000 images, 0 failed`,
    `\r\u001B[K[${"█".repeat(3)}${"░".repeat(27)}]  10 %  100/1,000 images, 10 failed (not_found 8, timed_out 2), 50 images/s, 18 s left`,
    "\r\u001B[KNote: the disk is full\n",
  ]);
  const narrow = recorder({ isTTY: true, columns: 50 });
  narrow.progress.show({ done: 90, failed: 10, total: 1_000 });
  assert.equal(narrow.written[0]?.replace("\r\u001B[K", "").length, 49);
});

test("reasons are shown where they add up to the number of failures, and not from an earlier or a later count", () => {
  const { progress, written } = recorder({ isTTY: false });
  const reasons = [{ code: "not_found", images: 6 }];
  for (const failed of [5, 6, 10]) progress.show({ done: 10 * failed, failed, total: 110, reasons });
  assert.deepEqual(written, [
    " 50 %  55/110 images, 5 failed\n",
    " 60 %  66/110 images, 6 failed (not_found 6)\n",
    "100 %  110/110 images, 10 failed\n",
  ]);
});

test("hosts that are waited for are named, with why and for how long", () => {
  const { progress, written } = recorder({ isTTY: true, columns: 200 });
  const host = { host: "cdn.test", code: "rate_limited", remainingSeconds: 89.2 };
  progress.show({ done: 5, failed: 0, total: 10, waiting: [host] });
  progress.show({ done: 5, failed: 0, total: 10, waiting: [host, host, host] });
  assert.deepEqual(
    written.map((line) => line.split(" %  ")[1]),
    [
      "5/10 images, 0 failed, waits for cdn.test (rate_limited; 90 s more)",
      "5/10 images, 0 failed, waits for cdn.test and 2 other hosts (rate_limited; 90 s more)",
    ],
  );
});

test("elsewhere there is a line for each tenth, and one a minute where that takes long", () => {
  const { progress, written } = recorder({ isTTY: false });
  for (let done = 0; done <= 100; done += 1) progress.show({ done, failed: 0, total: 100 });
  assert.deepEqual(
    written.map((line) => line.slice(0, 5)),
    ["  0 %", " 10 %", " 20 %", " 30 %", " 40 %", " 50 %", " 60 %", " 70 %", " 80 %", " 90 %", "100 %"],
  );
  const slow = recorder({ isTTY: false });
  slow.progress.show({ done: 0, failed: 0, total: 100 });
  slow.wait(59_000);
  slow.progress.show({ done: 1, failed: 0, total: 100 });
  slow.wait(1_000);
  slow.progress.show({ done: 2, failed: 0, total: 100 });
  assert.equal(slow.written.length, 2);
});

test("the rate is that of the last seconds, not of all time", () => {
  const { progress, written, wait } = recorder({ isTTY: true, columns: 200 });
  for (let second = 0; second <= 100; second += 1) {
    progress.show({ done: second <= 50 ? second * 100 : 5_000, failed: 0, total: 10_000 });
    wait(1_000);
  }
  assert.match(written[49] ?? "", /, 100 images\/s, 51 s left$/);
  assert.match(written.at(-1) ?? "", /, 0 images\/s$/);
});
