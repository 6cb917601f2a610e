import { setTimeout as delay } from "node:timers/promises";
import { findBatch, type BatchRow } from "../../db/batches.ts";
import { isDatabaseAway, type Executor } from "../../db/connection/connect.ts";
import { countFailures } from "../../db/report/count-failures.ts";
import { listWaitingHosts, type WaitingHost } from "../../db/waiting-hosts.ts";
import { DEFAULT_TENANT_ID } from "../../domain/ids.ts";
import type { Progress, ProgressState } from "../progress.ts";

const LOOK_MS = 200;
const WAITING_MS = 1_000;
/** To count the reasons of failures reads all images: at most a twentieth of the time goes into that. */
const REASONS_SHARE = 20;

type Following = { executor: Executor; progress: Progress; signal: AbortSignal };

/** Shows how a batch gets on until it has ended; throws the signal's reason where that comes first. */
export async function followBatch({ executor, progress, signal }: Following, batch: BatchRow): Promise<BatchRow> {
  const reasonsOf = createReasons(executor);
  const waitingOf = createWaiting(executor);
  let current = batch;
  for (;;) {
    progress.show({ ...progressOf(current), reasons: await reasonsOf(current), waiting: await waitingOf(current) });
    if (current.finishedAt !== null) return current;
    await delay(LOOK_MS, undefined, { signal });
    current = (await lookAgain(executor, batch.batchId)) ?? current;
  }
}

/** Null while the database is away, which it may be for a moment; what was known stays shown. */
async function lookAgain(executor: Executor, batchId: string): Promise<BatchRow | null> {
  return findBatch(executor, DEFAULT_TENANT_ID, batchId).catch((error: unknown) => {
    if (!isDatabaseAway(error)) throw error;
    return null;
  });
}

function progressOf({ imagesDone, imagesFailed, imagesSkipped, imagesTotal }: BatchRow): ProgressState {
  return { done: imagesDone, failed: imagesFailed + imagesSkipped, total: imagesTotal };
}

/** Asked for each second. */
function createWaiting(executor: Executor): (batch: BatchRow) => Promise<WaitingHost[]> {
  let known: WaitingHost[] = [];
  let notBefore = 0;
  return async ({ batchId, finishedAt }) => {
    if (finishedAt !== null) return [];
    if (performance.now() < notBefore) return known;
    known = (await listWaitingHosts(executor, batchId).catch(() => null)) ?? known;
    notBefore = performance.now() + WAITING_MS;
    return known;
  };
}

type Reasons = NonNullable<ProgressState["reasons"]>;

function createReasons(executor: Executor): (batch: BatchRow) => Promise<Reasons> {
  let known: { failed: number; reasons: Reasons } = { failed: 0, reasons: [] };
  let notBefore = 0;
  return async ({ batchId, imagesFailed, finishedAt }) => {
    const startedAt = performance.now();
    const isDue = startedAt >= notBefore || finishedAt !== null;
    if (imagesFailed === known.failed || !isDue) return known.reasons;
    const reasons = await countFailures(executor, batchId).catch(() => null);
    if (reasons) known = { failed: imagesFailed, reasons };
    const now = performance.now();
    notBefore = now + REASONS_SHARE * (now - startedAt);
    return known.reasons;
  };
}
