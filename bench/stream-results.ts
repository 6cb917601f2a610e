import { setTimeout as delay } from "node:timers/promises";
import type { BatchStatusView } from "../src/contract/status.ts";
import { connectDatabase } from "../src/db/connection/connect.ts";
import { startEmbeddedPostgres } from "../src/embedded/embedded-postgres.ts";
import { openSender } from "../src/queue/queue.ts";
import { startMeasured, type MeasuredService } from "./measured-service.ts";
import { settleBySql } from "./settle-by-sql.ts";

const MB = 1_000_000;
const FINISH_MS = 600_000;

/** How fast the files of a batch of that size come, and in how much memory. */
export async function streamResults(dataDir: string, batchId: string): Promise<void> {
  console.log("\nthe same batch with its images settled by SQL, every second one failed (rows, no output files); each measured alone");
  await settleIn(dataDir, batchId);
  const service = await startMeasured(dataDir);
  try {
    // What a process takes for its first answers is not this batch's.
    await statusPages(service, batchId, 1);
    await delay(2_000);
    await measure(service, "finish (writes results.csv)", () => finish(service, batchId));
    const { outputCsvUrl } = await status(service, batchId, "?limit=1");
    const folder = outputCsvUrl.slice(0, outputCsvUrl.lastIndexOf("/"));
    await measure(service, "status, pages of 1,000", () => statusPages(service, batchId, Infinity));
    for (const file of ["results.csv", "results.csv?shape=import", "failures.csv", "results.jsonl"]) {
      await measure(service, file, () => download(`${folder}/${file}`));
    }
  } finally {
    await service.stop();
  }
}

/** While no service runs, which would go on working the batch. */
async function settleIn(dataDir: string, batchId: string): Promise<void> {
  const postgres = await startEmbeddedPostgres({ dataDir, port: 0, log: console.error });
  const db = connectDatabase({ url: postgres.url, poolMax: 1, onError: console.error });
  await settleBySql(db, batchId);
  await db.close();
  await postgres.stop();
}

async function measure(service: MeasuredService, name: string, read: () => Promise<number>): Promise<void> {
  const before = service.rssBytes();
  service.resetPeak();
  await service.loopDelay();
  const startedAt = performance.now();
  const bytes = await read();
  const seconds = (performance.now() - startedAt) / 1_000;
  const growth = (service.peakBytes() - before) / MB;
  const { maxMs } = await service.loopDelay();
  const speed = bytes > 0 ? `${(bytes / MB).toFixed(0).padStart(4)} MB, ${(bytes / MB / seconds).toFixed(1).padStart(5)} MB/s` : "";
  console.log(
    `  ${name.padEnd(28)} ${seconds.toFixed(1).padStart(6)} s ${speed.padEnd(20)}  memory at most ${growth.toFixed(0)} MB above ${(before / MB).toFixed(0)}, loop stands still at most ${maxMs.toFixed(0)} ms`,
  );
}

async function finish(service: MeasuredService, batchId: string): Promise<number> {
  const db = connectDatabase({ url: service.databaseUrl, poolMax: 2, onError: console.error });
  await db.transaction((tx) => openSender(db.executor).sendFinish(tx, { batchId, run: 1 }));
  await db.close();
  const deadline = performance.now() + FINISH_MS;
  while ((await status(service, batchId, "?limit=1")).finishedAt === null) {
    if (performance.now() > deadline) throw new Error("the batch did not finish");
    await delay(100);
  }
  return 0;
}

async function status(service: MeasuredService, batchId: string, query: string): Promise<BatchStatusView> {
  return (await (await fetch(`${service.url}/getProcessingStatus/${batchId}${query}`)).json()) as BatchStatusView;
}

async function statusPages(service: MeasuredService, batchId: string, pagesMax: number): Promise<number> {
  let bytes = 0;
  let cursor: string | null = "";
  for (let page = 0; cursor !== null && page < pagesMax; page += 1) {
    const answer = await (
      await fetch(`${service.url}/getProcessingStatus/${batchId}?limit=1000${cursor === "" ? "" : `&cursor=${cursor}`}`)
    ).text();
    bytes += answer.length;
    cursor = (JSON.parse(answer) as BatchStatusView).nextCursor;
  }
  return bytes;
}

async function download(url: string): Promise<number> {
  const response = await fetch(url);
  if (response.status !== 200 || !response.body) throw new Error(`${url} answered ${response.status}`);
  let bytes = 0;
  for await (const chunk of response.body) bytes += chunk.length;
  return bytes;
}
