import { startBatches } from "../db/batches.ts";
import type { HeldImage } from "../db/known-sources.ts";
import { isDatabaseAway, type Database } from "../db/connect.ts";
import { createDownloadWindow } from "../domain/download-window.ts";
import { decideAfterFailure, type Outcome } from "../domain/outcome.ts";
import { HostPaused } from "../net/host-watch.ts";
import { pauseOverBudget } from "../queue/pause-batch.ts";
import type { Claim, Queue } from "../queue/queue.ts";
import type { Log } from "../observe/log.ts";
import { deliver, type DeliverDeps } from "./deliver.ts";
import { startDiskGuard } from "./disk-guard.ts";
import { finishBatch, type FinishDeps } from "./finish-batch.ts";
import type { HostPauses } from "./host-pauses.ts";
import { planBatch } from "./plan-batch.ts";
import { processImage } from "./process-image.ts";
import type { Attempt, Processed, Stages } from "./stages.ts";
import { LostClaim, Pump, type Hold } from "./pump.ts";
import { reconcile } from "./reconcile.ts";
import type { BatchHeaders } from "./source-headers.ts";
import { createSettler, type ImageOutcome, type Settler } from "./settler.ts";

export type WorkerDeps = {
  db: Database;
  queue: Queue;
  stages: Omit<Stages, "onFetched">;
  encoders: { readonly idle: number; readonly waiting: number; readonly size: number };
  hosts: Pick<HostPauses, "meet">;
  batchHeaders: BatchHeaders;
  /** How many downloads wait until their host has room for them. */
  waitingForHost(): number;
  storage: FinishDeps["storage"] & { freeBytes(): Promise<number> };
  send: DeliverDeps["send"];
  settings: { downloads: number; diskFreeBytesMin: number; webhookSecret: string | null; publicUrl: () => string };
  log: Log;
};

export type Worker = {
  /** Jobs of this queue may have come. */
  wake(queue: string | null): void;
  /** Finishes what is in hand, or gives it back unharmed. */
  stop(): Promise<void>;
};

const RECONCILE_MS = 60_000;
/** What is being compressed ends within this; what is still being fetched goes back. */
const DRAIN_MS = 20_000;
/** An image that met a full disk is looked at again after this, by whoever has room. */
const RELEASE_MS = 5_000;
/** A receiver that does not answer holds one of these for 20 s. */
const DELIVERIES_AT_ONCE = 4;
const LOOK_MS = 250;
/** The column's limit, 24.8 days: a laptop can be off for longer. */
const MS_MAX = 2 ** 31 - 1;

/** Everything that happens to a batch after it was accepted. */
export async function startWorker(deps: WorkerDeps): Promise<Worker> {
  const { db, queue, log } = deps;
  const onError = (error: unknown) => log.warn({ err: error }, "the database did not take a command");
  const window = createDownloadWindow({ min: 4 * deps.encoders.size, max: deps.settings.downloads + 2 * deps.encoders.size, backlogMax: 4 * deps.encoders.size });
  const announcing = { queue, publicUrl: deps.settings.publicUrl };
  const settler = createSettler({ transaction: db.keyedTransaction, queue, pause: (tx, batchId, spent) => pauseOverBudget(tx, announcing, batchId, spent), onError });
  const disk = startDiskGuard({ freeBytes: deps.storage.freeBytes, freeBytesMin: deps.settings.diskFreeBytesMin, log });
  const stages: Stages = {
    ...deps.stages,
    encode(task, options) {
      if (deps.encoders.idle > 0) window.onStarved();
      return deps.stages.encode(task, options);
    },
    onFetched: () => window.onFetched(deps.encoders.waiting),
  };

  const pump = new Pump({
    queue, window, onError,
    transaction: db.keyedTransaction,
    startBatches: (batchIds) => startBatches(db.executor, batchIds),
    mayClaim: () => disk.hasRoom,
    waitingForHost: deps.waitingForHost,
    drop: (claim, kind) => settler.settle(dropped(claim, kind)),
    work: (claim, image, hold) => workImage({ stages, settler, disk, log, hosts: deps.hosts, batchHeaders: deps.batchHeaders }, claim, image, hold),
  });

  const workers = {
    plan: await queue.work("plan", 1, (job, signal) => planBatch({ transaction: db.keyedTransaction, queue }, job.batchId, signal)),
    finish: await queue.work("finish", 1, (job, signal) => finishBatch({ db, queue, storage: deps.storage, publicUrl: deps.settings.publicUrl }, job, signal)),
    deliver: await queue.work("deliver", DELIVERIES_AT_ONCE, (job) => deliver({ db, queue, send: deps.send, defaultSecret: deps.settings.webhookSecret, random: Math.random }, job)),
  };
  // Where downloads only time out nothing reaches an encoder that could ask for more: others' images must not wait for that.
  const looking = setInterval(() => {
    if (pump.isFull && deps.encoders.idle > 0) window.onStarved();
  }, LOOK_MS);
  const reconciling = setInterval(() => void runReconcile(deps), RECONCILE_MS);

  return {
    wake(name) {
      if (name === null || name === "image") pump.wake();
      for (const [queueName, worker] of Object.entries(workers)) if (name === null || name === queueName) worker.wake();
    },
    async stop() {
      clearInterval(looking);
      clearInterval(reconciling);
      disk.stop();
      await pump.drain(DRAIN_MS);
      settler.stop();
    },
  };
}

async function runReconcile({ db, queue, log }: WorkerDeps): Promise<void> {
  try {
    const found = await reconcile({ transaction: db.transaction, queue });
    if (found.images + found.batches + found.deliveries > 0) log.warn(found, "jobs were missing and have been sent again");
  } catch (error) {
    log.warn({ err: error }, "the reconciler could not run");
  }
}

type WorkDeps = { stages: Stages; settler: Settler; disk: { check(): Promise<boolean> }; log: Log; hosts: Pick<HostPauses, "meet">; batchHeaders: BatchHeaders };

/** One claim, from image to settled outcome. */
async function workImage({ stages, settler, disk, log, hosts, batchHeaders }: WorkDeps, claim: Claim, image: HeldImage, { signal, onFetched, onWorked }: Hold): Promise<void> {
  const startedAt = new Date();
  const waitMs = Math.min(MS_MAX, Math.max(0, startedAt.getTime() - Math.max(image.queuedAt.getTime(), image.notBefore?.getTime() ?? 0)));
  const download = image.hasSourceHeaders ? withHeaders(stages.download, batchHeaders, image.batchId) : stages.download;
  const ownStages = { ...stages, download, onFetched: () => (onFetched(), stages.onFetched()) };
  const tried = hosts.meet(image.host) ?? (await tryImage({ stages: ownStages, log, hosts }, { ...image, priority: claim.priority }, signal));
  if (signal.reason instanceof LostClaim) return;
  const attempt = "kind" in tried ? null : tried;
  const outcome = "kind" in tried ? tried : await decide(tried, image, disk);
  onWorked();
  await settler.settle({
    claim, outcome, startedAt, tenantId: image.tenantId, key: image.key,
    source: attempt?.source ?? null,
    stageMs: { waitMs, ...(attempt?.stageMs ?? { fetchMs: null, encodeMs: null, storeMs: null }) },
  });
}

/** Every download of a batch that has headers for its origins takes them along. */
function withHeaders(download: Stages["download"], batchHeaders: BatchHeaders, batchId: string): Stages["download"] {
  return async (request) => {
    const headers = await batchHeaders(batchId).catch((error: unknown) => {
      throw isDatabaseAway(error) ? new NoAttempt("the batch's headers could not be read", { cause: error }) : error;
    });
    return headers.ok ? download({ ...request, sourceHeaders: headers.value }) : headers;
  };
}

/** Nothing was tried: the image is as it was, and without its database nothing can be settled before that is back. */
class NoAttempt extends Error {}

const RELEASED: Outcome<never> = { kind: "release", delayMs: 0 };

/** An outcome at once where the attempt was broken off and counts for nothing. A surprise costs the image a try and is logged. */
async function tryImage({ stages, log, hosts }: Pick<WorkDeps, "stages" | "log" | "hosts">, work: Parameters<typeof processImage>[1], signal: AbortSignal): Promise<Attempt | Outcome<never>> {
  try {
    return await processImage(stages, work, signal);
  } catch (error) {
    if (signal.aborted || error instanceof NoAttempt) return RELEASED;
    if (error instanceof HostPaused) return hosts.meet(error.host) ?? RELEASED;
    log.error({ err: error, batchId: work.batchId, ordinal: work.ordinal }, "an image failed unexpectedly");
    const failure = { code: "storage_failed", detail: "The image could not be processed for a reason on our side.", retry: true } as const;
    return { result: { ok: false, failure }, source: null, stageMs: { fetchMs: null, encodeMs: null, storeMs: null } };
  }
}

async function decide(attempt: Attempt, image: HeldImage, disk: { check(): Promise<boolean> }): Promise<Outcome<Processed>> {
  if (attempt.result.ok) return { kind: "done", result: attempt.result.value };
  const { failure } = attempt.result;
  // A full disk is no fault of the image, whatever the codec or the file system called it.
  const mayBeDisk = failure.code === "storage_failed" || failure.code === "corrupt_image";
  if (mayBeDisk && !(await disk.check())) return { kind: "release", delayMs: RELEASE_MS };
  return decideAfterFailure(failure, image.attempts + 1, Math.random());
}

/** The image of this claim is settled already, or its batch is paused: only the job goes. */
function dropped(claim: Claim, kind: "drop" | "shelve"): ImageOutcome {
  return { claim, outcome: { kind }, startedAt: new Date(), tenantId: "", key: "", source: null, stageMs: { waitMs: null, fetchMs: null, encodeMs: null, storeMs: null } };
}
