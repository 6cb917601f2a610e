import assert from "node:assert/strict";
import { test } from "node:test";
import { followBatch } from "../../src/cli/process/follow-batch.ts";
import type { ProgressState } from "../../src/cli/progress.ts";
import { findBatch } from "../../src/db/batches.ts";
import { pauseHost } from "../../src/db/host-pauses.ts";
import { DEFAULT_TENANT_ID } from "../../src/domain/ids.ts";
import { loadCatalogue } from "../support/load-catalogue.ts";
import { openTestQueue } from "../support/queue.ts";

test("whoever follows a batch is shown the hosts that it waits for, those first that it waits for the longest", async () => {
  const { db, queue } = await openTestQueue();
  const batchId = await loadCatalogue({ db, queue }, [
    ["https://one.test/a.jpg"],
    ["https://two.test/a.jpg"],
    ["https://three.test/a.jpg"],
  ]);
  const batch = await findBatch(db.executor, DEFAULT_TENANT_ID, batchId);
  assert.ok(batch);
  for (const [host, pauseMs] of [
    ["one.test", 50_000],
    ["two.test", 90_000],
    ["elsewhere.test", 99_000],
  ] as const)
    await pauseHost(db.executor, { host, pauseMs, reason: "rate_limited" });
  const stop = new AbortController();
  const shown: ProgressState[] = [];
  const show = (state: ProgressState) => {
    shown.push(state);
    stop.abort();
  };
  const progress = { show, note: assert.fail, end: assert.fail };
  await assert.rejects(followBatch({ executor: db.executor, progress, signal: stop.signal }, batch), { name: "AbortError" });
  const [{ waiting = [] } = {}] = shown;
  assert.deepEqual(
    waiting.map(({ host, code }) => [host, code]),
    [
      ["two.test", "rate_limited"],
      ["one.test", "rate_limited"],
    ],
  );
  assert.ok(waiting.every(({ remainingSeconds }) => remainingSeconds > 30 && remainingSeconds <= 90));
});
