import { randomUUIDv7 } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findBatch } from "../src/db/batches.ts";
import { connectDatabase, type Database } from "../src/db/connection/connect.ts";
import { listen } from "../src/db/connection/listen.ts";
import { migrateDatabase } from "../src/db/connection/migrate.ts";
import { DEFAULT_TENANT_ID } from "../src/domain/ids.ts";
import { countsOf } from "../src/domain/batch/batch-state.ts";
import { createAddressPolicy } from "../src/domain/url/address-policy.ts";
import { PRESETS } from "../src/domain/image/recipe.ts";
import { succeeded } from "../src/domain/image/stage-result.ts";
import { startEmbeddedPostgres } from "../src/embedded/embedded-postgres.ts";
import { inspectImage } from "../src/image/inspect.ts";
import { loadBatch } from "../src/intake/load-batch.ts";
import { DOWNLOAD_LIMITS } from "../src/net/download-limits.ts";
import { createDownloader } from "../src/net/download.ts";
import { createLog } from "../src/observe/log.ts";
import { JOBS_CHANNEL } from "../src/queue/news.ts";
import { openQueue } from "../src/queue/queue.ts";
import { createStorage } from "../src/storage/storage.ts";
import { HostPauses } from "../src/worker/guards/host-pauses.ts";
import { createSourceHeaders } from "../src/worker/image/source-headers.ts";
import { startWorker } from "../src/worker/worker.ts";
import { encodeImage } from "./copy-image.ts";
import { demandAllDone } from "./demand-done.ts";
import type { Origins } from "./origins.ts";
import { prepareStatementTimes, profileRooms, timeStatements, type Share } from "./profile.ts";
import { databaseCpuMs } from "./processes.ts";

type Work = { dataDir: string; origins: Origins; images: number; rounds: number };

const SHARES_SHOWN = 12;

/**
 * Queue, downloads, files and settles in this very process, with a function that copies in the place of the encoder processes, and neither
 * upload nor webhook: less than the service takes for an image, and so that a last round under the profiler shows where it goes.
 */
export async function measureJobPath(work: Work): Promise<void> {
  const path = await openJobPath(work.dataDir);
  try {
    for (let round = 0; round <= work.rounds; round += 1) {
      const before = { own: process.cpuUsage(), database: databaseCpuMs(work.dataDir) };
      const startedAt = performance.now();
      await runBatch(path, work, `path-${round}`);
      const wallMs = performance.now() - startedAt;
      const { user, system } = process.cpuUsage(before.own);
      const own = (user + system) / 1_000 / work.images;
      const database = (databaseCpuMs(work.dataDir) - before.database) / work.images;
      if (round === 0) continue;
      console.log(
        `  ${((1_000 * work.images) / wallMs).toFixed(0)} images/s, ${(own + database).toFixed(2)} ms CPU an image: this process ${own.toFixed(2)}, PostgreSQL ${database.toFixed(2)}`,
      );
    }
    let statements: Share[] = [];
    const profiled = () => runBatch(path, work, "path-profiled");
    const rooms = await profileRooms(async () => (statements = await timeStatements(path.db.executor, profiled)));
    show("the main thread by room and package", rooms, work);
    show("PostgreSQL's statements, with the time they waited for each other", statements, work);
  } finally {
    await path.close();
  }
}

function show(title: string, shares: readonly Share[], { images }: Work): void {
  console.log(`\n  ${title}, ms an image in a round of its own under the profiler`);
  for (const { name, ms } of shares.slice(0, SHARES_SHOWN)) console.log(`    ${(ms / images).toFixed(3)}  ${name.slice(0, 110)}`);
}

type JobPath = { db: Database; queue: Awaited<ReturnType<typeof openQueue>>; close(): Promise<void> };

async function openJobPath(dataDir: string): Promise<JobPath> {
  await (await startEmbeddedPostgres({ dataDir, port: 0, log: () => {} })).stop();
  await prepareStatementTimes(dataDir);
  const postgres = await startEmbeddedPostgres({ dataDir, port: 0, log: () => {} });
  await migrateDatabase(postgres.url);
  const db = connectDatabase({ url: postgres.url, poolMax: 8, onError: () => {} });
  const queue = await openQueue({ executor: db.executor, supervise: true, onError: console.error });
  const hosts = new HostPauses({ executor: db.executor, now: () => performance.now(), random: Math.random, onError: console.error });
  const downloader = createDownloader({
    hosts: hosts.of(),
    policy: createAddressPolicy({ allowCidrs: ["127.0.0.1/32"] }),
    userAgent: "bench",
    accept: "image/*",
    limits: DOWNLOAD_LIMITS,
    max: 64,
    perHostMax: 32,
  });
  const worker = await startCopyingWorker({ db, queue, storage: await createStorage({ dataDir }), hosts, downloader });
  const listener = listen({ url: postgres.url, channels: { [JOBS_CHANNEL]: worker.wake } });
  return {
    db,
    queue,
    async close() {
      await worker.stop();
      await listener.close();
      downloader.close();
      hosts.stop();
      await queue.stop();
      await db.close();
      await postgres.stop();
    },
  };
}

type Parts = Pick<Parameters<typeof startWorker>[0], "db" | "queue" | "storage" | "hosts"> & {
  storage: Awaited<ReturnType<typeof createStorage>>;
  downloader: ReturnType<typeof createDownloader>;
};

function startCopyingWorker({ downloader, ...parts }: Parts): ReturnType<typeof startWorker> {
  return startWorker({
    ...parts,
    log: createLog("warn"),
    warn: console.error,
    network: { claimMax: () => Infinity, isToBlame: () => false, retryMs: () => 0, onBytes: () => {} },
    stages: {
      ...parts.storage,
      download: downloader.download,
      inspect: (input) => inspectImage(input, { pixelsMax: 1e8, allowSvg: false }),
      encode: async (task) => succeeded({ encodeMs: 0, outputs: await encodeImage(task) }),
    },
    sourceHeadersOf: createSourceHeaders({ find: async () => null, open: null }),
    encoders: { idle: 1, waiting: 0, size: cpus().length },
    waitingForHost: () => downloader.waiting,
    send: () => Promise.reject(new Error("nobody to send to")),
    openAuthorization: null,
    settings: { downloads: 64, diskFreeBytesMin: 0, keepBatchesDays: 0, webhook: null, publicUrl: () => "http://127.0.0.1" },
  });
}

async function runBatch({ db, queue }: JobPath, { dataDir, origins, images }: Work, round: string): Promise<void> {
  const batchId = randomUUIDv7();
  const path = join(dataDir, `${batchId}.csv`);
  await writeFile(
    path,
    [
      "S. No,Product Name,Input Image Urls",
      ...Array.from({ length: images }, (_, index) => `${index + 1},Product,${origins.urlOf(index, round)}`),
      "",
    ].join("\n"),
  );
  await loadBatch(
    { queue, transaction: db.keyedTransaction },
    {
      batchId,
      token: batchId.slice(0, 22),
      csv: { path, bytes: 1, fileName: null },
      recipe: PRESETS.seed,
      refresh: "auto",
      metadata: {},
      reading: { onInvalid: "reject", wishes: { images: [], name: null, id: null }, baseUrl: null, layout: null },
      now: Date.now(),
      endpoint: null,
      idempotencyKey: null,
      sourceHeaders: null,
      pauseAtFailurePercent: null,
      pauseHostAtFailurePercent: null,
      toldSecret: false,
    },
  );
  for (;;) {
    const batch = await findBatch(db.executor, DEFAULT_TENANT_ID, batchId);
    if (batch?.finishedAt) return demandAllDone({ ...countsOf(batch), reused: batch.imagesReused }, { images });
    await delay(20);
  }
}
