import { startBatches } from "../db/batches.ts";
import type { Database } from "../db/connection/connect.ts";
import { createMuteReceivers } from "../domain/load/mute-receivers.ts";
import { countShares } from "../queue/hold-share.ts";
import { impatient } from "../db/connection/lock-wait.ts";
import { pauseOverBudget } from "../queue/pause-batch.ts";
import { NEW_BATCH, PAUSED } from "../queue/news.ts";
import type { Queue } from "../queue/queue.ts";
import { warnEachMinute, type Warn } from "../observe/calm-warn.ts";
import type { Log } from "../observe/log.ts";
import type { Storage } from "../storage/storage.ts";
import { askConditionally } from "./image/ask-conditionally.ts";
import { createClockWatch } from "./guards/clock-watch.ts";
import { flushOutcomes } from "./settle/flush-outcomes.ts";
import { deliver, type DeliverDeps } from "./deliver.ts";
import { startDiskGuard, type DiskGuard } from "./guards/disk-guard.ts";
import { finishBatch, type FinishDeps } from "./finish-batch.ts";
import type { NetworkGuard } from "./guards/network-guard.ts";
import { planBatch } from "./plan-batch.ts";
import { Pump } from "./claim/pump.ts";
import { reconcile } from "./reconcile.ts";
import { beginRemovals, removeBatch, type RemoveDeps } from "./remove-batches.ts";
import type { SourceHeadersOf } from "./image/source-headers.ts";
import { watchStages, type Encoders, type GivenStages } from "./image/watch-stages.ts";
import { workImage, type WorkDeps } from "./image/work-image.ts";
import { createComeImages, type ComeImages } from "./settle/come-images.ts";
import { createSettler, type Settler } from "./settle/settler.ts";

export type WorkerDeps = {
  db: Database;
  queue: Queue;
  stages: GivenStages;
  encoders: Encoders;
  hosts: WorkDeps["hosts"];
  network: WorkDeps["network"] & Pick<NetworkGuard, "claimMax" | "onBytes">;
  sourceHeadersOf: SourceHeadersOf;
  /** How many downloads wait until their host has room for them. */
  waitingForHost(): number;
  storage: FinishDeps["storage"] & RemoveDeps["storage"] & Pick<Storage, "freeBytes" | "flushOutputs" | "removeOutput">;
  send: DeliverDeps["send"];
  openAuthorization: DeliverDeps["openAuthorization"];
  settings: {
    downloads: number;
    diskFreeBytesMin: number;
    keepBatchesDays: number;
    webhook: DeliverDeps["configured"];
    publicUrl: () => string;
  };
  log: Log;
  warn: Warn;
};

export type Worker = {
  /** There may be jobs of this queue, a new batch or a pause (queue/news.ts); null where there may be anything. */
  wake(queue: string | null): void;
  /** Finishes what is in hand, or gives it back unharmed. */
  stop(): Promise<void>;
};

const RECONCILE_MS = 60_000;
/** What is being compressed ends within this; what is still being fetched goes back. */
const DRAIN_MS = 20_000;
/**
 * A receiver that does not answer holds one of these for 20 s; domain/load/mute-receivers says how many of them. Each needs a socket, and as it
 * starts a connection to the database: with sixteen a process took 18 of these at its start, with eight it takes 14.
 */
const DELIVERIES_AT_ONCE = 8;
/** A batch of millions takes a minute to end, in which the ends of small ones must not wait. */
const FINISHES_AT_ONCE = 2;
/** A batch of millions takes minutes, in which a small one must not wait. */
const REMOVALS_AT_ONCE = 2;
/** From 8 to 768 images in hand takes twelve looks, where the line lets it: the 300 ms of a far origin. */
const LOOK_MS = 25;

/** Everything that happens to a batch after it was accepted. */
export async function startWorker(deps: WorkerDeps): Promise<Worker> {
  const { db, queue, log } = deps;
  const disk = await startDiskGuard({
    freeBytes: deps.storage.freeBytes,
    freeBytesMin: deps.settings.diskFreeBytesMin,
    now: () => performance.now(),
    log,
  });
  const come = createComeImages();
  const settler = wireSettler(deps, disk, come);
  const watching = { encoders: deps.encoders, downloads: deps.settings.downloads, onBytes: deps.network.onBytes };
  const { stages: watched, window, line } = watchStages(deps.stages, watching);
  const stages = { ...watched, download: askConditionally(watched.download, () => performance.now()) };
  const working = { ...deps, stages, settler, come, disk };

  const pump = new Pump({
    queue,
    window,
    onTheirWayMax: () => Math.min(deps.settings.downloads, line.askedMax),
    onError: onRefused(deps, "claim"),
    transaction: db.fleetingTransaction,
    startBatches: (tx, batchIds) => startBatches(tx.executor, batchIds),
    claimMax: () => claimMax(disk, deps.network),
    waitingForHost: deps.waitingForHost,
    onAllWorked: settler.flush,
    isHeldUp: settler.isHeldUp,
    heldUp: settler.heldUp,
    endUntried: settler.settle,
    work: (claim, image, lease) => workImage(working, claim, image, lease),
  });

  const stopping = new AbortController();
  const workers = await workQueues(deps, stopping.signal);
  const looking = setInterval(() => askForMore(pump, window, deps.encoders), LOOK_MS);
  const reconciling = startReconciling(deps);

  return {
    wake(name) {
      if (name === NEW_BATCH) pump.wakeForNewBatch();
      if (name === null || name === PAUSED) pump.giveBackPaused();
      if (name === null || name === "image") pump.wake();
      for (const [queueName, worker] of Object.entries(workers)) if (name === null || name === queueName) worker.wake();
    },
    async stop() {
      stopping.abort();
      clearInterval(looking);
      clearInterval(reconciling);
      disk.stop();
      await pump.drain(DRAIN_MS);
      settler.stop();
    },
  };
}

function wireSettler({ db, queue, storage, settings, warn }: WorkerDeps, disk: DiskGuard, come: ComeImages): Settler {
  const announcing = { queue, publicUrl: settings.publicUrl };
  return createSettler({
    transaction: db.keyedTransaction,
    queue,
    onError: onRefused({ warn }, "settle"),
    flushOutcomes: (items) => flushOutcomes({ storage, disk, warn }, items),
    removeOutputs: (places) => Promise.all(places.map(storage.removeOutput)),
    pause: (tx, batchId, spent) => pauseOverBudget(tx, announcing, batchId, spent),
    countShares: (tx, state, tried) => countShares(tx, announcing, state, tried),
    come,
  });
}

function onRefused({ warn }: Pick<WorkerDeps, "warn">, command: "settle" | "claim"): (error: unknown) => void {
  return (error) => warn(error, "the database did not take a command", { command });
}

/** While the first downloads are on their way, or where they only time out, nothing reaches an encoder that could ask for more. */
function askForMore(pump: Pump, window: { onStarved(): void }, { idle }: Encoders): void {
  if (!pump.isFull || idle === 0) return;
  window.onStarved();
  pump.wake();
}

/** While the disk has no room the network's turn to try some is not used up. */
function claimMax(disk: Pick<DiskGuard, "claimMax">, network: Pick<NetworkGuard, "claimMax">): number {
  const max = disk.claimMax();
  return max > 0 ? Math.min(max, network.claimMax()) : 0;
}

/** All but images, which the pump claims. */
async function workQueues({ db, queue, storage, settings, send, openAuthorization, log, ...deps }: WorkerDeps, stopping: AbortSignal) {
  const warn = warnEachMinute(deps.warn);
  const receivers = createMuteReceivers({ now: () => performance.now(), random: Math.random });
  const onError = (name: string) => (error: unknown) => warn(error, "a job failed and will be run again", { queue: name });
  return {
    plan: await queue.work(
      "plan",
      1,
      (job, signal) => planBatch({ transaction: db.keyedTransaction, queue }, job.batchId, signal),
      onError("plan"),
    ),
    finish: await queue.work(
      "finish",
      FINISHES_AT_ONCE,
      (job, signal) => finishBatch({ db, queue, storage, publicUrl: settings.publicUrl }, job, signal),
      onError("finish"),
    ),
    deliver: await queue.work(
      "deliver",
      DELIVERIES_AT_ONCE,
      (job) => deliver({ db, queue, send, configured: settings.webhook, openAuthorization, receivers, random: Math.random, log }, job),
      onError("deliver"),
    ),
    remove: await queue.work(
      "remove",
      REMOVALS_AT_ONCE,
      (job, signal) => removeBatch({ db, storage }, job, AbortSignal.any([signal, stopping])),
      (error) => stopping.aborted || onError("remove")(error),
    ),
  };
}

function startReconciling(deps: WorkerDeps): NodeJS.Timeout {
  const watchClock = createClockWatch({ executor: deps.db.executor, log: deps.log, now: Date.now });
  return setInterval(() => void runReconcile(deps, watchClock).then(() => runRemovals(deps)), RECONCILE_MS);
}

async function runReconcile({ db, queue, log, warn }: WorkerDeps, watchClock: () => Promise<void>): Promise<void> {
  try {
    await watchClock();
    const { setBack, ...found } = await reconcile({ transaction: db.transaction, queue });
    if (setBack) log.warn(setBack, "the database's clock was set back, what waited by the old one waits from now on");
    if (found.images + found.batches + found.deliveries > 0) log.warn(found, "jobs were missing and have been sent again");
  } catch (error) {
    warn(error, "the reconciler could not run");
  }
}

/** As often as the reconciler runs. */
async function runRemovals({ db, queue, settings, log, warn }: WorkerDeps): Promise<void> {
  try {
    const begun = await beginRemovals({ transaction: impatient(db.transaction), queue }, settings.keepBatchesDays);
    if (begun.expired > 0) log.info({ removed: begun.expired, days: settings.keepBatchesDays }, "batches that ended long ago are removed");
    if (begun.lost > 0) log.warn({ removals: begun.lost }, "jobs that remove batches were missing and have been sent again");
  } catch (error) {
    warn(error, "removals could not be begun");
  }
}
