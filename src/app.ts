import { mkdir } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Config } from "./config.ts";
import { CATALOGUE_LIMITS } from "./csv/limits.ts";
import { findBatch, findBatchByToken, findSealedHeaders, listBatches } from "./db/batches.ts";
import { connectDatabase, DEFAULT_TENANT_ID, isDatabaseAway, type Database } from "./db/connect.ts";
import { findOutput, listOutputs } from "./db/find-output.ts";
import { HOSTS_CHANNEL } from "./db/host-pauses.ts";
import { listProducts, productPages } from "./db/list-products.ts";
import { listen } from "./db/listen.ts";
import { migrateDatabase } from "./db/migrate.ts";
import { takeOwnership } from "./db/ownership.ts";
import { createAddressPolicy } from "./domain/address-policy.ts";
import { RESULT_FILE_NAME } from "./domain/batch-event.ts";
import { PAUSED_BY_HAND } from "./domain/failure-budget.ts";
import { parseImageUrl } from "./domain/image-url.ts";
import { FORMAT_FILES, type OutputFormat } from "./domain/recipe.ts";
import { succeeded } from "./domain/stage-result.ts";
import { userAgent } from "./domain/user-agent.ts";
import { openHeaderSeal, type HeaderSeal } from "./header-seal.ts";
import { startEmbeddedPostgres } from "./embedded/embedded-postgres.ts";
import { createServer, type HttpDeps } from "./http/server.ts";
import { createEncoderPool } from "./image/encoder-pool.ts";
import { inspectImage, PIXELS_MAX } from "./image/inspect.ts";
import { acceptUpload } from "./intake/accept-upload.ts";
import { loadBatch, type BatchOrder } from "./intake/load-batch.ts";
import { createTurnstile } from "./domain/turnstile.ts";
import { loadInThread } from "./intake/load-in-thread.ts";
import { surveyCatalogue } from "./intake/survey-catalogue.ts";
import { surveyInThread } from "./intake/survey-in-thread.ts";
import { sweepUploads } from "./intake/sweep-uploads.ts";
import { createTargetCheck } from "./net/check-target.ts";
import { CSV_LIMITS, DOWNLOAD_LIMITS, IMAGE_ACCEPT } from "./net/deadlines.ts";
import { createDownloader } from "./net/download.ts";
import { createPost } from "./net/post.ts";
import type { Log } from "./observe/log.ts";
import { pauseBatch } from "./queue/pause-batch.ts";
import { resumeBatch } from "./queue/resume-batch.ts";
import { JOBS_CHANNEL, openQueue, type Queue } from "./queue/queue.ts";
import { createStorage, type Storage } from "./storage/storage.ts";
import { deliverEvent } from "./webhook/deliver-event.ts";
import { readVersion } from "./version.ts";
import { wirePreflight } from "./wire-preflight.ts";
import { createBatchHeaders } from "./worker/source-headers.ts";
import { HostPauses } from "./worker/host-pauses.ts";
import { startWorker, type Worker } from "./worker/worker.ts";

export type App = {
  /** Where the API listens; null in a process that only works. */
  url: string | null;
  databaseUrl: string;
  isDatabaseEmbedded: boolean;
  stop(): Promise<void>;
};

/** 100 megapixels took 3 s to JPEG, 41 s to WebP and, by what 6 took (7 s), two minutes to AVIF, on one core. */
const ENCODE_MS = 300_000;
const ENCODER_TASKS_MAX = 5_000;
/** Files up to this are parsed in some 20 ms, less than a thread takes to start. */
const INLINE_CSV_BYTES_MAX = 128 * 1024;
/** Each large file that is being loaded takes a thread, some 100 MB and a connection of its own. */
const LOADS_AT_ONCE = 3;
/** A thread each as well, but no connection. */
const SURVEYS_AT_ONCE = 2;
const POOL_MAX = 16;
const DATABASE_WAIT_MS = 60_000;
const CLOSE_MS = 5_000;

/**
 * Starts everything in order; whatever was started is stopped in reverse, by `stop` or when a later step fails:
 * http, then workers, queue, pool, and the database last.
 */
export async function startApp(config: Config, log: Log, signal: AbortSignal = new AbortController().signal): Promise<App> {
  const started: (() => Promise<void>)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= stopInReverse(started, log));
  try {
    return { ...(await startParts({ config, log, signal }, (undo) => started.push(undo), stop)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function stopInReverse(started: (() => Promise<void>)[], log: Log): Promise<void> {
  for (const undo of started.toReversed()) {
    await undo().catch((error: unknown) => log.error({ err: error }, "a part did not stop cleanly"));
  }
}

type OnStop = (undo: () => Promise<void>) => void;

type Given = { config: Config; log: Log; signal: AbortSignal };

async function startParts({ config, log, signal }: Given, onStop: OnStop, stop: () => Promise<void>): Promise<Omit<App, "stop">> {
  await mkdir(config.dataDir, { recursive: true });
  const databaseUrl = config.databaseUrl ?? (await startDatabase(config, log, onStop, stop));
  await migrateWhenReachable(databaseUrl, log, signal);

  const storage = await createStorage(config);
  onStop(storage.close);
  await storage.sweep();
  const db = connectDatabase({ url: databaseUrl, poolMax: POOL_MAX, onError: (error) => log.warn({ err: error }, "an idle database connection broke") });
  onStop(db.close);
  await sweepUploads({ executor: db.executor, storage });
  const queue = await openQueue({ executor: db.executor, supervise: config.role !== "api", onError: (error) => log.warn({ err: error }, "the queue reported an error") });
  onStop(queue.stop);
  // Alone on our own database: what a killed forerunner had in hand goes on now, not after its heartbeats have run out.
  if (config.databaseUrl === null) await queue.freeClaims();

  let publicUrl = config.publicUrl ?? `http://127.0.0.1:${config.port}`;
  const parts: Parts = { config, log, db, databaseUrl, queue, storage, publicUrl: () => publicUrl, headerSeal: await openHeaderSeal(config) };
  // The API listens before anything is worked, so that the URLs in the first result are the right ones.
  const url = config.role === "worker" ? null : await serve(parts, onStop);
  if (config.publicUrl === null && url !== null) publicUrl = url;
  if (config.role !== "api") await work(parts, onStop);
  return { url, databaseUrl, isDatabaseEmbedded: config.databaseUrl === null };
}

type Parts = { config: Config; log: Log; db: Database; databaseUrl: string; queue: Queue; storage: Storage; publicUrl: () => string; headerSeal: HeaderSeal | null };

async function startDatabase(config: Config, log: Log, onStop: OnStop, stop: () => Promise<void>): Promise<string> {
  const embedded = await startEmbeddedPostgres({ dataDir: config.dataDir, port: config.embeddedPgPort, log: (message) => log.warn({}, message) });
  // Started here and nobody else's, or adopted from a dead process once the lock is ours; never that of a living one.
  let isOurs = !embedded.adopted;
  onStop(() => (isOurs ? embedded.stop() : embedded.leave()));
  const ownership = await takeOwnership({
    url: embedded.url,
    onLost() {
      log.error({ dataDir: config.dataDir }, "another process has taken over this DATA_DIR; stopping");
      isOurs = false;
      void stop().then(() => process.exit(1));
    },
  });
  isOurs = ownership !== null;
  if (!ownership) throw new Error(`DATA_DIR ${config.dataDir} is in use by another Pressrun process. Stop that one first, give this one another DATA_DIR, or let both use one PostgreSQL with DATABASE_URL.`);
  onStop(ownership.close);
  return embedded.url;
}

/** A database that is still starting (beside us in a compose file) gets a minute; a wrong one is told at once. */
async function migrateWhenReachable(databaseUrl: string, log: Log, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + DATABASE_WAIT_MS;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await migrateDatabase(databaseUrl);
    } catch (error) {
      if (!isDatabaseAway(error) || Date.now() > deadline) throw new Error(`The database at ${withoutPassword(databaseUrl)} cannot be used: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      log.warn({}, "waiting for the database");
      await delay(1_000, undefined, { signal });
    }
  }
}

export function withoutPassword(url: string): string {
  return url.replace(/(\/\/[^:@/]*):[^@/]*@/, "$1@");
}

async function serve({ config, log, db, databaseUrl, queue, storage, publicUrl, headerSeal }: Parts, onStop: OnStop): Promise<string> {
  const policy = createAddressPolicy(config);
  const inTurn = createTurnstile(LOADS_AT_ONCE);
  const load = (order: BatchOrder) =>
    order.csv.bytes <= INLINE_CSV_BYTES_MAX ? loadBatch({ queue, transaction: db.keyedTransaction }, order) : inTurn(() => loadInThread({ databaseUrl, order }));
  const lookUp = (batchId: string) => findBatch(db.executor, DEFAULT_TENANT_ID, batchId);
  const intake = { storage, load, findBatch: lookUp, sealHeaders: headerSeal?.seal ?? null, checkTarget: createTargetCheck({ policy }), limits: CATALOGUE_LIMITS, defaultWebhookUrl: config.webhook?.url ?? null };
  const csvMs = Math.min(CSV_LIMITS.totalMs, config.uploadMs);
  const csvDownloader = createDownloader({ policy, userAgent: userAgent(await readVersion(), config.contact), limits: { ...CSV_LIMITS, bytesMax: config.uploadBytesMax, totalMs: csvMs }, perHostMax: LOADS_AT_ONCE, accept: "text/csv,*/*;q=0.5" });
  onStop(async () => csvDownloader.close());
  const fetchCsv = async (url: string, path: string) => {
    const parsed = parseImageUrl(url);
    if (!parsed.ok) return parsed;
    // Waiting for the host's turn counts as well.
    const signal = AbortSignal.timeout(csvMs);
    const fetched = await csvDownloader.download({ url: parsed.href, path, signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return { ok: false as const, failure: { code: "timed_out" as const, detail: `The whole download took longer than ${csvMs} ms.` } };
    });
    return fetched.ok ? { ok: true as const, bytes: fetched.value.bytes } : { ok: false as const, code: fetched.failure.code, message: fetched.failure.detail };
  };
  const app = await createServer({
    settings: { publicUrl, auth: config.auth, apiKeys: config.apiKeys, uploadBytesMax: config.uploadBytesMax, uploadMs: config.uploadMs, version: await readVersion() },
    tempPath: storage.tempPath,
    discard: storage.discard,
    acceptUpload: (upload) => acceptUpload(intake, upload),
    preflight: await servePreflight({ config, storage }, onStop),
    fetchCsv,
    findBatch: lookUp,
    listBatches: (page) => listBatches(db.executor, DEFAULT_TENANT_ID, page),
    listProducts: (batchId, page) => listProducts(db.executor, batchId, page),
    pauseBatch: (batchId) => db.transaction((tx) => pauseBatch(tx, { queue, publicUrl }, batchId, PAUSED_BY_HAND)),
    resumeBatch: (batchId, change) => db.transaction((tx) => resumeBatch(tx, { queue, publicUrl }, batchId, change)),
    async findOutput(token, fileName) {
      const output = await findOutput(db.executor, token, fileName);
      const file = output && (await storage.findOutput(output));
      if (!file) return null;
      return { ...file, mediaType: FORMAT_FILES[output.format as OutputFormat].mediaType, etag: `"${output.batchId}-${output.ordinal}-${file.bytes.toString(16)}"` };
    },
    findBatchByToken: (token) => findBatchByToken(db.executor, token),
    findResult: (batchId) => storage.findResult(batchId, RESULT_FILE_NAME),
    productPages: (batchId) => productPages(db.executor, batchId),
    async *outputFiles(batchId) {
      for await (const { ordinal, fileName } of listOutputs(db.executor, batchId)) {
        const file = await storage.findOutput({ batchId, ordinal, fileName });
        if (!file) throw new Error(`the output ${fileName} of ${batchId} is not where its row says`);
        yield { ...file, fileName };
      }
    },
    isReady: () => db.executor.executeSql("select 1").then(() => true, () => false),
    isUnavailable: isDatabaseAway,
    log,
  });
  onStop(async () => {
    // Answers in progress get this long; an upload that trickles does not hold up the others' shutdown.
    const deadline = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS);
    await app.close();
    clearTimeout(deadline);
  });
  return app.listen({ host: config.host, port: config.port });
}

async function servePreflight({ config, storage }: Pick<Parts, "config" | "storage">, onStop: OnStop): Promise<HttpDeps["preflight"]> {
  const inTurn = createTurnstile(SURVEYS_AT_ONCE);
  const { preflight, close } = await wirePreflight({
    config, tempPath: storage.tempPath, discard: storage.discard,
    survey: (order, bytes, signal) => (bytes <= INLINE_CSV_BYTES_MAX ? surveyCatalogue({ random: Math.random, signal }, order) : inTurn(() => surveyInThread(order, signal))),
  });
  onStop(async () => close());
  return preflight;
}

async function work({ config, log, db, databaseUrl, queue, storage, publicUrl, headerSeal }: Parts, onStop: OnStop): Promise<void> {
  const policy = createAddressPolicy(config);
  const agent = userAgent(await readVersion(), config.contact);
  const hosts = new HostPauses({
    executor: db.executor, now: () => performance.now(), random: Math.random,
    onError: (error) => log.warn({ err: error }, "the database did not take or give a host's pause"),
  });
  onStop(async () => hosts.stop());
  const downloader = createDownloader({ policy, hosts, userAgent: agent, limits: DOWNLOAD_LIMITS, perHostMax: config.downloadsPerHost, accept: IMAGE_ACCEPT });
  onStop(async () => downloader.close());
  const encoders = createEncoderPool({
    size: config.encoders, pixelsMax: PIXELS_MAX, allowSvg: config.allowSvg, taskMs: ENCODE_MS, memoryBytesMax: config.encoderMemoryBytes, tasksMax: ENCODER_TASKS_MAX,
    onLost: (event) => log.warn(event, "an encoder ended and is replaced"),
  });
  onStop(() => encoders.close());
  const post = createPost({ policy, userAgent: agent });
  const worker: Worker = await startWorker({
    db, queue, storage, log,
    stages: {
      tempPath: storage.tempPath,
      download: downloader.download,
      inspect: (input) => inspectImage(input, { pixelsMax: PIXELS_MAX, allowSvg: config.allowSvg }),
      encode: (task, options) => encoders.encode(task, options),
      keepOutput: storage.keepOutput,
      keepInput: config.keepInputs ? storage.keepInput : storage.dropInput,
      linkOutput: storage.linkOutput,
      linkInput: config.keepInputs ? storage.linkInput : async () => succeeded(false),
      discard: storage.discard,
    },
    encoders, hosts,
    batchHeaders: createBatchHeaders({ find: (batchId) => findSealedHeaders(db.executor, batchId), open: headerSeal?.open ?? null }),
    waitingForHost: () => downloader.waiting,
    send: (endpoint, event) => deliverEvent({ post, now: () => new Date() }, endpoint, event, AbortSignal.timeout(60_000)),
    settings: { downloads: config.downloads, diskFreeBytesMin: config.diskFreeBytesMin, webhookSecret: config.webhook?.secret ?? null, publicUrl },
  });
  onStop(worker.stop);
  const listener = listen({ url: databaseUrl, channels: { [JOBS_CHANNEL]: worker.wake, [HOSTS_CHANNEL]: (payload) => hosts.onNotify(payload) } });
  onStop(listener.close);
}
