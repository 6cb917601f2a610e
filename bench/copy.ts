import "../bin/process-settings.js";
import { randomUUIDv7 } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
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
import { demandAllDone } from "./demand-done.ts";
import { printMachine } from "./machine.ts";
import { startOrigins } from "./origins.ts";
import { prepareStatementTimes, profileRooms, timeStatements, type Share } from "./profile.ts";
import { databaseCpuMs } from "./processes.ts";

/**
 * Everything but the encoder: queue, downloads, files, settles, with a copy of the input as the output. What is left is
 * what Pressrun itself costs, and how many images one PostgreSQL can feed to the cores of a fleet. The worker is this
 * very process, set up as the service's is, so that a last round can show where the time goes.
 */
const IMAGES = Number(process.argv[3] ?? 20_000);
const ROUNDS = 3;
const SHARES_SHOWN = 12;

printMachine();
const dataDir = await mkdtemp(join(tmpdir(), "pressrun-copy-"));
const origins = await startOrigins({ width: 320, height: 240 });
await (await startEmbeddedPostgres({ dataDir, port: 0, log: () => {} })).stop();
await prepareStatementTimes(dataDir);
const postgres = await startEmbeddedPostgres({ dataDir, port: 0, log: () => {} });
await migrateDatabase(postgres.url);
const db = connectDatabase({ url: postgres.url, poolMax: 8, onError: () => {} });
const queue = await openQueue({ executor: db.executor, supervise: true, onError: console.error });
const storage = await createStorage({ dataDir });
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
const worker = await startWorker({
  db,
  queue,
  storage,
  log: createLog("warn"),
  warn: console.error,
  network: { claimMax: () => Infinity, isToBlame: () => false, retryMs: () => 0, onBytes: () => {} },
  stages: {
    ...storage,
    download: downloader.download,
    inspect: (input) => inspectImage(input, { pixelsMax: 1e8, allowSvg: false }),
    async encode({ input, outputs: [output] }) {
      if (!output) throw new Error("no output");
      // As an encoder does it; copyFileSync() takes 0.14 to 0.4 ms for 16 kB, this 0.07.
      const bytes = readFileSync(input.path);
      writeFileSync(output.path, bytes);
      return succeeded({
        encodeMs: 0,
        outputs: [
          {
            name: output.name,
            path: output.path,
            format: "jpeg",
            width: input.width,
            height: input.height,
            bytes: bytes.length,
            quality: 50,
            isKept: false,
            encodeMs: 0,
          },
        ],
      });
    },
  },
  hosts,
  sourceHeadersOf: createSourceHeaders({ find: async () => null, open: null }),
  encoders: { idle: 1, waiting: 0, size: cpus().length },
  waitingForHost: () => downloader.waiting,
  send: () => Promise.reject(new Error("nobody to send to")),
  openAuthorization: null,
  settings: { downloads: 64, diskFreeBytesMin: 0, keepBatchesDays: 0, webhook: null, publicUrl: () => "http://127.0.0.1" },
});
const listener = listen({ url: postgres.url, channels: { [JOBS_CHANNEL]: worker.wake } });

for (let round = 0; round <= ROUNDS; round += 1) {
  const before = { own: process.cpuUsage(), database: databaseCpuMs(dataDir) };
  const startedAt = performance.now();
  await runBatch(db, String(round));
  const wallMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(before.own);
  const [own, database] = [(user + system) / 1_000 / IMAGES, (databaseCpuMs(dataDir) - before.database) / IMAGES];
  if (round > 0)
    console.log(
      `${IMAGES} images of ${Math.round(origins.bytes / 1_000)} kB: ${((1_000 * IMAGES) / wallMs).toFixed(0)} images/s, ${(own + database).toFixed(2)} ms CPU an image (worker ${own.toFixed(2)}, PostgreSQL ${database.toFixed(2)})`,
    );
}
let statements: Share[] = [];
const rooms = await profileRooms(async () => (statements = await timeStatements(db.executor, () => runBatch(db, "profiled"))));
show("The worker's main thread by room and package", rooms);
show("PostgreSQL's statements, with the time they waited for each other", statements);
await worker.stop();
await listener.close();
downloader.close();
hosts.stop();
await queue.stop();
await db.close();
await postgres.stop();
origins.close();
await rm(dataDir, { recursive: true, force: true });
process.exit();

function show(title: string, shares: readonly Share[]): void {
  console.log(`\n${title}, ms an image in a round of its own under the profiler`);
  for (const { name, ms } of shares.slice(0, SHARES_SHOWN)) console.log(`  ${(ms / IMAGES).toFixed(3)}  ${name.slice(0, 110)}`);
}

async function runBatch({ keyedTransaction, executor }: Database, round: string): Promise<void> {
  const batchId = randomUUIDv7();
  const path = join(dataDir, `${batchId}.csv`);
  await writeFile(
    path,
    [
      "S. No,Product Name,Input Image Urls",
      ...Array.from({ length: IMAGES }, (_, index) => `${index + 1},Product,${origins.urlOf(index, round)}`),
      "",
    ].join("\n"),
  );
  await loadBatch(
    { queue, transaction: keyedTransaction },
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
    const batch = await findBatch(executor, DEFAULT_TENANT_ID, batchId);
    if (batch?.finishedAt) return demandAllDone({ ...countsOf(batch), reused: batch.imagesReused }, { images: IMAGES });
    await delay(20);
  }
}
