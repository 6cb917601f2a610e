import { existsSync } from "node:fs";
import { copyFile, constants, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startOn, type Foundation } from "../../app.ts";
import { readConfig, type Config } from "../../config.ts";
import { listBatches, type BatchRow } from "../../db/batches.ts";
import { countFailures, type FailureCount } from "../../db/report/count-failures.ts";
import { countsOf, settledOf } from "../../domain/batch/batch-state.ts";
import type { UploadWarning } from "../../domain/batch/csv-problem.ts";
import { errorCode } from "../../domain/error-code.ts";
import { DEFAULT_TENANT_ID } from "../../domain/ids.ts";
import { DataDirInUse } from "../../embedded/cluster-lock.ts";
import type { Acceptance } from "../../intake/acceptance.ts";
import type { Upload } from "../../intake/upload.ts";
import { createLog } from "../../observe/log.ts";
import { removeBatches } from "../../queue/remove-batches.ts";
import { makeFolder } from "../../storage/make-folder.ts";
import { wireIntake } from "../../wire/intake.ts";
import { wireWorker } from "../../wire/worker.ts";
import { exportRun } from "./export-run.ts";
import { followBatch } from "./follow-batch.ts";
import { shownPath } from "../plain-words.ts";
import { prepareRun, type PreparedRun } from "./prepare-run.ts";
import type { ProcessOrder } from "./process-order.ts";
import { RefusedFile } from "./refused-file.ts";
import { logTo, type Progress } from "../progress.ts";
import { readRecord, STATE_FOLDER, writeRecord } from "./run-record.ts";
import { settingsOfWork } from "../settings-of-work.ts";
import { Unusable } from "../unusable.ts";

export type FinishedRun = {
  order: ProcessOrder;
  batch: BatchRow;
  failures: FailureCount[];
  warnings: UploadWarning[];
  /** How long this process worked; null where everything was done before it. */
  seconds: number | null;
  /** Images that had been settled before this process began. */
  settledBefore: number;
};

const REMOVED_AT_ONCE = 100;

/** Works a file to its end in its folder. A run that cannot begin leaves nothing behind. */
export async function runFile(order: ProcessOrder, progress: Progress, signal: AbortSignal): Promise<FinishedRun> {
  const config = configFor(order);
  const aside = await mkdtemp(join(tmpdir(), "pressrun-process-"));
  try {
    const prepared = await prepareRun(order, { stateDir: config.dataDir, aside, signal });
    for (const { code, message } of prepared.warnings) progress.note(`Warning (${code}): ${message}`);
    await makeStateFolder(order.dir, config.dataDir);
    return { ...(await runOnDatabase({ ...prepared, order, config, progress, signal })), order, warnings: prepared.warnings };
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

function configFor({ dir }: ProcessOrder): Config {
  const { env } = process;
  return readConfig({
    ...settingsOfWork(env),
    ROLE: "worker",
    DATA_DIR: join(dir, STATE_FOLDER),
    // Any free port: several folders can be worked at once.
    EMBEDDED_PG_PORT: env["EMBEDDED_PG_PORT"] ?? "0",
    KEEP_INPUTS: env["KEEP_INPUTS"] ?? "off",
  });
}

async function makeStateFolder(dir: string, stateDir: string): Promise<void> {
  try {
    await makeFolder(stateDir);
  } catch (error) {
    throw new Unusable(`--out: Expected a folder that can be written to, got ${shownPath(dir)} (${errorCode(error)}).`, { cause: error });
  }
}

type Run = PreparedRun & { order: ProcessOrder; config: Config; progress: Progress; signal: AbortSignal };

async function runOnDatabase(run: Run): Promise<Omit<FinishedRun, "order" | "warnings">> {
  const { config, progress, signal, order } = run;
  progress.note(`Starting PostgreSQL in ${shownPath(config.dataDir)} …`);
  const log = process.env["LOG_LEVEL"] === undefined ? logTo(progress) : createLog(config.logLevel);
  let claimed: Promise<void> | undefined;
  const app = await startOn({ config, log, signal }, async (foundation, onStop) => {
    // Once, however often the start has to be tried.
    await (claimed ??= claimFolder(run));
    const publicUrl = order.publicUrl ?? "http://127.0.0.1";
    await wireWorker({ ...foundation, publicUrl: () => publicUrl }, onStop);
    return { ...foundation, accept: wireIntake(foundation).acceptUpload };
  }).catch((error: unknown) => {
    if (error instanceof DataDirInUse)
      throw new Unusable(
        `Another process works on ${shownPath(order.dir)} at this moment. Wait for it, stop it, or choose another --out.`,
        { cause: error },
      );
    throw error;
  });
  try {
    signal.throwIfAborted();
    return await workAndExport(run, app);
  } finally {
    progress.end();
    await app.stop();
  }
}

/** Nobody else works on the folder from here on; where another process did since we looked, its run is not written over. */
async function claimFolder({ config: { dataDir }, known, record, order }: Run): Promise<void> {
  const now = await readRecord(dataDir);
  if (now?.id !== known?.id || now?.exportedAt !== known?.exportedAt)
    throw new Unusable(`Another process has worked on ${shownPath(order.dir)} just now; run this again.`);
  if (record.id !== now?.id) await writeRecord(dataDir, record);
}

type Running = Foundation & { accept(upload: Upload): Promise<Acceptance> };

async function workAndExport(run: Run, app: Running): Promise<Omit<FinishedRun, "order" | "warnings">> {
  const { order, record, progress, signal, config } = run;
  const { executor } = app.db;
  const startedAt = performance.now();
  const [batch, previous = null] = await openBatch(run, app);
  if (previous) await removeBefore(app, previous);
  const settledBefore = settledOf(countsOf(batch));
  const isDone = record.exportedAt !== null;
  const ended = isDone ? batch : await followBatch({ executor, progress, signal }, batch);
  if (!isDone || !existsSync(join(order.dir, "results.csv"))) {
    await exportRun({ executor, storage: app.storage }, ended, {
      dir: order.dir,
      publicUrl: order.publicUrl,
      previousBatchId: previous?.batchId ?? null,
      signal,
    });
    await writeRecord(config.dataDir, { ...record, exportedAt: new Date().toISOString() });
  }
  const failures = ended.imagesFailed > 0 ? await countFailures(executor, ended.batchId) : [];
  return { batch: ended, failures, seconds: isDone ? null : (performance.now() - startedAt) / 1_000, settledBefore };
}

/** What has not changed is linked to the run before; nothing asks for those before that, whose rows and files go meanwhile. */
async function removeBefore({ db, queue }: Running, { batchId }: BatchRow): Promise<void> {
  for (;;) {
    const earlier = await listBatches(db.executor, DEFAULT_TENANT_ID, { before: batchId, limit: REMOVED_AT_ONCE });
    const batchIds = earlier.map((batch) => batch.batchId);
    const removed = await db.transaction((tx) => removeBatches(tx, { queue }, batchIds));
    if (removed.length < REMOVED_AT_ONCE) return;
  }
}

/** The batch of this run, made where there is none yet, and that of the run before it. */
async function openBatch({ csv, record, order, progress }: Run, app: Running): Promise<[BatchRow, BatchRow?]> {
  const isOurs = (batch: BatchRow | undefined) => batch?.metadata["run"] === record.id;
  const [last, beforeLast] = await listBatches(app.db.executor, DEFAULT_TENANT_ID, { before: null, limit: 2 });
  if (last && isOurs(last)) return beforeLast ? [last, beforeLast] : [last];

  progress.note(`Reading ${csv.fileName ?? "standard input"} …`);
  const spool = app.storage.tempPath("csv");
  await copyFile(csv.path, spool, constants.COPYFILE_FICLONE);
  const accepted = await app.accept({
    spool: { path: spool, bytes: csv.bytes },
    fileName: csv.fileName,
    options: { ...order.options, metadata: { run: record.id } },
    idempotencyKey: null,
  });
  if (!accepted.ok)
    throw accepted.kind === "csv"
      ? new RefusedFile(csv.fileName ?? "standard input", accepted.problems, accepted.problemCount)
      : new Unusable(accepted.message);
  return last ? [accepted.batch, last] : [accepted.batch];
}
