import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { demandAllDone } from "../../bench/demand-done.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BENCHMARK_MS = 120_000;

describe("a benchmark one of whose images fails", () => {
  for (const words of [["memory"], ["large", "200", "1"], ["copy", "200"]]) {
    test(`ends with an error: ${words[0]}`, { timeout: BENCHMARK_MS }, async () => {
      const env = { ...process.env, BENCH_GONE_PERCENT: "1" };
      const running = run(process.execPath, ["bench/main.ts", ...words], { cwd: ROOT, env, timeout: BENCHMARK_MS });
      await assert.rejects(running, ({ code, stderr }) => code === 1 && /Expected all of \d+ images to be done, \d+ failed/.test(stderr));
    });
  }
});

test("a batch counts where all of its images are done, and as many reused as expected", () => {
  const progress = { completed: 10, failed: 0, skipped: 0, reused: 10 };
  demandAllDone(progress, { images: 10, reused: 10 });
  assert.throws(() => demandAllDone(progress, { images: 10 }), /Expected 0 of 10 images to be reused, 10 were/);
  assert.throws(
    () => demandAllDone({ ...progress, reused: 9 }, { images: 10, reused: 10 }),
    /Expected 10 of 10 images to be reused, 9 were/,
  );
  assert.throws(() => demandAllDone({ ...progress, completed: 9 }, { images: 10, reused: 10 }), /Expected all of 10 .*, 9 were/);
});
