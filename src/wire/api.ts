import { setTimeout as delay } from "node:timers/promises";
import { checkIsThere, findBatch, findBatchByToken, listBatches } from "../db/batches.ts";
import { isDatabaseAway, type Executor } from "../db/connection/connect.ts";
import { listProducts, productPages, recordPages } from "../db/list-products.ts";
import { impatient } from "../db/connection/lock-wait.ts";
import { listWaitingHosts } from "../db/waiting-hosts.ts";
import { findOutput, listOutputs } from "../db/outputs.ts";
import { openReport } from "../db/report/read-report.ts";
import { isDatabaseReady } from "../db/connection/readiness.ts";
import { PAUSED_BY_HAND } from "../domain/batch/failure-budget.ts";
import { DEFAULT_TENANT_ID } from "../domain/ids.ts";
import { createGate, runInside } from "../domain/load/gate.ts";
import { parseImageUrl } from "../domain/url/image-url.ts";
import { FORMAT_FILES } from "../domain/image/recipe.ts";
import { createCalmWarn } from "../observe/calm-warn.ts";
import { createServer, type HttpDeps } from "../http/server.ts";
import { digestUpload } from "../intake/digest-upload.ts";
import { surveyCatalogue } from "../intake/survey-catalogue.ts";
import { surveyInThread } from "../intake/survey-in-thread.ts";
import { CSV_LIMITS } from "../net/download-limits.ts";
import { createDownloader } from "../net/download.ts";
import { cancelBatch } from "../queue/cancel-batch.ts";
import { pauseBatch } from "../queue/pause-batch.ts";
import { removeBatches } from "../queue/remove-batches.ts";
import { resumeBatch, resumeShare } from "../queue/resume-batch.ts";
import { readVersion } from "../version.ts";
import { LOADS_AT_ONCE, REPORTS_AT_ONCE } from "./fit-connections.ts";
import { isQuicklyRead, wireIntake } from "./intake.ts";
import { createPagePlaces, type PagePlaces } from "./page-places.ts";
import { wirePreflight } from "./preflight.ts";
import { AT_ONCE, outgoing, type OnStop, type Parts } from "./parts.ts";

/** Each large file that is being surveyed takes a thread, as a load does, but no connection. */
const SURVEYS_AT_ONCE = 2;
const CLOSE_MS = 5_000;

/** The API, listening; returns its address. */
export async function wireApi(
  { config, log, doubtTables, db, queue, storage, publicUrl, headerSeal, stopping }: Parts,
  onStop: OnStop,
): Promise<string> {
  const cutting = new AbortController();
  const app = await createServer({
    settings: {
      publicUrl,
      auth: config.auth,
      apiKeys: config.apiKeys,
      uploadBytesMax: config.uploadBytesMax,
      uploadMs: config.uploadMs,
      version: await readVersion(),
    },
    tempPath: storage.tempPath,
    discard: storage.discard,
    // Without a SECRET_KEY uploads with credentials are refused, so that there is none to tell apart.
    digestUpload: (sent) => digestUpload(sent, headerSeal?.fingerprint ?? (() => "")),
    ...wireIntake({ config, db, queue, storage, headerSeal }),
    preflight: await servePreflight({ config, storage }, onStop),
    fetchCsv: await serveCsvFetch(config, onStop),
    ...serveRows({ db, storage, log }),
    pauseBatch: (batchId) => impatient(db.transaction)((tx) => pauseBatch(tx, { queue, publicUrl }, batchId, PAUSED_BY_HAND)),
    cancelBatch: (batchId) => impatient(db.transaction)((tx) => cancelBatch(tx, { queue }, batchId)),
    removeBatch: (batchId) => impatient(db.transaction)(async (tx) => (await removeBatches(tx, { queue }, [batchId])).length > 0),
    resumeBatch: (batchId, change) => impatient(db.transaction)((tx) => resumeBatch(tx, { queue, publicUrl }, batchId, change)),
    resumeHost: (batchId, host, percent) =>
      impatient(db.transaction)((tx) => resumeShare(tx, { queue, publicUrl }, batchId, host, percent)),
    openReport: serveReports(db.url),
    isReady: () => isDatabaseReady(db),
    isStopping: () => stopping.aborted,
    isUnavailable: isDatabaseAway,
    cut: cutting.signal,
    onUnexpected: doubtTables,
    log,
  });
  const drained = createDrain(stopping, config.drainMs);
  onStop(async () => {
    if (app.server.listening) await drained();
    // Answers in progress get so long, so that an upload that trickles does not hold up the stop.
    const deadline = setTimeout(() => {
      cutting.abort();
      app.server.closeAllConnections();
    }, CLOSE_MS);
    await app.close();
    clearTimeout(deadline);
  });
  return app.listen({ host: config.host, port: config.port }).catch((error: Error) => {
    // Without its code and cause, by which a name that is not known would be taken for the database's.
    throw new Error(`HOST ${config.host} and PORT ${config.port} cannot be listened on: ${error.message}`);
  });
}

/**
 * Counted from the moment from which /readyz refuses: the images in hand are finished in that time too. Nothing is waited for where requests
 * cannot be answered any more.
 */
function createDrain(stopping: AbortSignal, drainMs: number): () => Promise<void> {
  let endsAt = 0;
  const onStopping = () => {
    if (stopping.reason !== AT_ONCE) endsAt = performance.now() + drainMs;
  };
  stopping.addEventListener("abort", onStopping, { once: true });
  return () => delay(Math.max(0, endsAt - performance.now()));
}

type RowLookups =
  | "findBatch"
  | "listBatches"
  | "listProducts"
  | "listWaitingHosts"
  | "findOutput"
  | "findBatchByToken"
  | "findResult"
  | "productPages"
  | "recordPages"
  | "outputFiles";

/** What is read for an answer, of the default tenant. */
function serveRows({ db, storage, log }: Pick<Parts, "db" | "storage" | "log">): Pick<HttpDeps, RowLookups> {
  // Of a restore that was not whole a crawler may ask for every output: one line for each batch tells it.
  const warn = createCalmWarn({ log, isKnown: () => true });
  const findWhole = async (output: { batchId: string; ordinal: number; fileName: string; bytes: number }) => {
    const file = await storage.findOutput(output);
    if (file?.bytes === output.bytes) return file;
    await checkIsThere(db.executor, output.batchId);
    const error = new Error(`expected ${output.fileName} of ${output.bytes} bytes, got ${file ? file.bytes : "no file"}`);
    const known = Object.assign(error, { code: "output_lost" });
    warn(known, "an output is lost", { batchId: output.batchId });
    return null;
  };
  const places = createPagePlaces({ poolMax: db.pool.options.max });
  return {
    findBatch: (batchId) => findBatch(db.executor, DEFAULT_TENANT_ID, batchId),
    listWaitingHosts: (batchId) => listWaitingHosts(db.executor, batchId),
    listBatches: (page) => listBatches(db.executor, DEFAULT_TENANT_ID, page),
    listProducts: (batchId, page, gone) => places.once(batchId, () => listProducts(db.executor, batchId, page), gone),
    async findOutput(token, fileName) {
      const output = await findOutput(db.executor, token, fileName);
      if (!output) return null;
      const file = await findWhole(output);
      if (!file) return "lost";
      return {
        ...file,
        mediaType: FORMAT_FILES[output.format].mediaType,
        etag: `"${output.batchId}-${output.ordinal}-${file.bytes.toString(16)}"`,
      };
    },
    findBatchByToken: (token) => findBatchByToken(db.executor, token),
    findResult: storage.findResult,
    productPages: (batchId) => eachIn(places.pageByPage(batchId), productPages(db.executor, batchId)),
    recordPages: (batchId) => eachIn(places.pageByPage(batchId), recordPages(db.executor, batchId)),
    outputFiles(batchId) {
      const inPlace = places.pageByPage(batchId);
      const executor: Executor = { executeSql: (text, values) => inPlace(() => db.executor.executeSql(text, values)) };
      return { list: () => listOutputs(executor, batchId), find: (output) => findWhole({ batchId, ...output }) };
    },
  };
}

async function* eachIn<T>(inPlace: ReturnType<PagePlaces["pageByPage"]>, pages: AsyncGenerator<T, void>): AsyncGenerator<T> {
  for (;;) {
    const next = await inPlace(() => pages.next());
    if (next.done) return;
    yield next.value;
  }
}

async function serveCsvFetch(config: Parts["config"], onStop: OnStop): Promise<HttpDeps["fetchCsv"]> {
  const csvMs = Math.min(CSV_LIMITS.totalMs, config.uploadMs);
  const downloader = createDownloader({
    ...(await outgoing(config)),
    limits: { ...CSV_LIMITS, bytesMax: config.uploadBytesMax, totalMs: csvMs },
    max: LOADS_AT_ONCE,
    // A shop whose exports come slowly leaves a place to the others.
    perHostMax: LOADS_AT_ONCE - 1,
    accept: "text/csv,*/*;q=0.5",
    // An object store gives a file as it was stored, whatever is accepted; a CSV is unpacked where its first bytes say gzip.
    codingsTaken: ["gzip", "x-gzip"],
  });
  onStop(async () => downloader.close());
  return async (url, path, gone) => {
    const parsed = parseImageUrl(url);
    if (!parsed.ok) return parsed;
    // Waiting for the host's turn counts as well.
    const deadline = AbortSignal.timeout(csvMs);
    const signal = AbortSignal.any([deadline, gone]);
    const fetched = await downloader.download({ url: parsed.href, path, signal }).catch((error: unknown) => {
      gone.throwIfAborted();
      if (!deadline.aborted) throw error;
      return { ok: false as const, failure: { code: "timed_out" as const, detail: `The whole download took longer than ${csvMs} ms.` } };
    });
    return fetched.ok
      ? { ok: true as const, bytes: fetched.value.bytes, isEndTold: fetched.value.isEndTold }
      : { ok: false as const, code: fetched.failure.code, message: fetched.failure.detail };
  };
}

function serveReports(databaseUrl: string): HttpDeps["openReport"] {
  let open = 0;
  return async (name, filter) => {
    if (open >= REPORTS_AT_ONCE) return null;
    open += 1;
    let isOpen = true;
    const leave = () => {
      if (isOpen) open -= 1;
      isOpen = false;
    };
    try {
      const report = await openReport(databaseUrl, name, { ...filter, tenantId: DEFAULT_TENANT_ID });
      return { ...report, close: () => report.close().finally(leave) };
    } catch (error) {
      leave();
      throw error;
    }
  };
}

async function servePreflight({ config, storage }: Pick<Parts, "config" | "storage">, onStop: OnStop): Promise<HttpDeps["preflight"]> {
  const surveys = createGate(() => SURVEYS_AT_ONCE);
  const { preflight, close } = await wirePreflight({
    config,
    tempPath: storage.tempPath,
    discard: storage.discard,
    survey: (order, bytes, signal) =>
      isQuicklyRead({ path: order.path, bytes })
        ? surveyCatalogue({ random: Math.random, signal }, order)
        : runInside(surveys, () => surveyInThread(order, signal), signal),
  });
  onStop(async () => close());
  return preflight;
}
