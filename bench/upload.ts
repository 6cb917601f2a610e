import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { makeSamplePhoto } from "../src/image/sample-photo.ts";
import type { BatchStatusView } from "../src/contract/status.ts";
import type { Accepted } from "../src/contract/upload.ts";
import { writeCatalogue } from "./catalogue-file.ts";
import { printMachine } from "./machine.ts";
import { startMeasured, type LoopDelay, type MeasuredService } from "./measured-service.ts";
import { poll, type Latencies } from "./status-poll.ts";
import { streamResults } from "./stream-results.ts";
import { uploadFile } from "./upload-file.ts";

/**
 * What it takes to accept a catalogue of a million rows, beside fast-csv alone, by turns in one run.
 * `npm run bench -- upload [ROUNDS] [ROWS] [noresults]`.
 */
type FastCsv = { rows: number; seconds: number; idleBytes: number; peakBytes: number };
type Uploaded = {
  requestId: string;
  seconds: number;
  idleBytes: number;
  peakBytes: number;
  idle: Latencies;
  busy: Latencies;
  loop: LoopDelay;
  receivedMs: number;
  firstStartMs: number;
  firstHitMs: number;
};

const IDLE_MS = 5_000;
const FIRST_START_MS = 10_000;
const MB = 1_000_000;

export async function benchUpload([rounds = "3", rows = "1000000", last = "results"]: readonly string[]): Promise<void> {
  printMachine(`${rounds} rounds`);
  const folder = await mkdtemp(join(tmpdir(), "pressrun-bench-"));
  const origin = await startOrigin();
  try {
    const path = join(folder, "catalogue.csv");
    await writeCatalogue(path, { rows: Number(rows), origin: origin.url });
    const { size } = await stat(path);
    console.log(`${rows} rows, ${2 * Number(rows)} images, ${(size / MB).toFixed(1)} MB`);
    const fast: FastCsv[] = [];
    const ours: Uploaded[] = [];
    for (let round = 1; round <= Number(rounds); round += 1) {
      const dataDir = join(folder, `data-${round}`);
      const alone = await fastCsvAlone(path);
      if (alone.rows !== Number(rows) + 1) throw new Error(`Expected fast-csv to read ${rows} rows and a header, it read ${alone.rows}.`);
      const service = await startMeasured(dataDir);
      const uploaded = await measureUpload(service, { path, images: 2 * Number(rows), firstHit: origin.firstHit });
      printRound(alone, uploaded);
      fast.push(alone);
      ours.push(uploaded);
      await service.stop();
      if (round === Number(rounds) && last === "results") await streamResults(dataDir, uploaded.requestId);
      await rm(dataDir, { recursive: true, force: true });
    }
    printMedians(fast, ours);
  } finally {
    origin.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function fastCsvAlone(path: string): Promise<FastCsv> {
  const child = fork(new URL("fast-csv-alone.ts", import.meta.url), [path]);
  return ((await once(child, "message")) as [FastCsv])[0];
}

async function measureUpload(
  service: MeasuredService,
  { path, images, firstHit }: { path: string; images: number; firstHit: Origin["firstHit"] },
): Promise<Uploaded> {
  const small = await uploadSmall(service);
  const statusUrl = `${service.url}/getProcessingStatus/${small.requestId}`;
  await poll(statusUrl, delay(1_000));
  const idle = await poll(statusUrl, delay(IDLE_MS));
  await service.loopDelay();
  const idleBytes = service.rssBytes();
  service.resetPeak();

  const hit = firstHit();
  const startTime = Date.now();
  const startedAt = performance.now();
  const uploading = uploadFile(service.url, path).then((accepted) => ({
    accepted,
    at: performance.now(),
    time: Date.now(),
    peakBytes: service.peakBytes(),
  }));
  const busy = await poll(statusUrl, uploading);
  const { accepted, at, time, peakBytes } = await uploading;
  const loop = await service.loopDelay();
  const firstHitMs = (await Promise.race([hit, delay(FIRST_START_MS, Infinity)])) - at;
  if (firstHitMs === Infinity) throw new Error(`Expected the first image to be asked for, none was within ${FIRST_START_MS} ms.`);
  if (accepted.images !== images) throw new Error(`Expected ${images} images to be accepted, ${accepted.images} were.`);
  const { requestId } = accepted;
  const status = (await (await fetch(`${service.url}/getProcessingStatus/${requestId}?limit=1`)).json()) as BatchStatusView;
  // By the database's clock, which is this machine's: when its transaction began, and when the first image was claimed.
  const receivedMs = Date.parse(status.createdAt) - startTime;
  if (status.startedAt === null) throw new Error("Expected the batch to have started, as its first image was asked for.");
  const firstStartMs = Date.parse(status.startedAt) - time;
  return { requestId, seconds: (at - startedAt) / 1_000, idleBytes, peakBytes, idle, busy, loop, receivedMs, firstHitMs, firstStartMs };
}

async function uploadSmall(service: MeasuredService): Promise<Accepted> {
  const body = "S. No,Product Name,Input Image Urls\n1,Mug,http://127.0.0.1:9/a.jpg?small\n2,Cup,http://127.0.0.1:9/b.jpg?small\n";
  const response = await fetch(`${service.url}/uploadAndProcessDocument`, {
    method: "POST",
    headers: { "content-type": "text/csv" },
    body,
  });
  if (response.status !== 202) throw new Error(`the small upload was answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Accepted;
}

type Origin = { url: string; firstHit(): Promise<number>; close(): void };

/** Answers at once, and tells when it was first asked. */
async function startOrigin(): Promise<Origin> {
  const photo = await makeSamplePhoto({ width: 320, height: 240, seed: 7, format: "jpeg" });
  let onHit = (_at: number) => {};
  const server = createServer((_request, response) => {
    onHit(performance.now());
    response.writeHead(200, { "content-type": "image/jpeg", "content-length": photo.length }).end(photo);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    firstHit: () => new Promise((resolve) => (onHit = resolve)),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function printRound(alone: FastCsv, ours: Uploaded): void {
  const figures = [
    `fast-csv ${alone.seconds.toFixed(2)} s, ${mb(alone.peakBytes - alone.idleBytes)} above idle`,
    `Pressrun ${ours.seconds.toFixed(2)} s to the 202 = ${(ours.seconds / alone.seconds).toFixed(2)} x (${(ours.receivedMs / 1_000).toFixed(2)} s of it to receive), ${mb(ours.peakBytes - ours.idleBytes)} above its idle ${mb(ours.idleBytes)}`,
    `status idle p50 ${ours.idle.p50Ms.toFixed(1)} p99 ${ours.idle.p99Ms.toFixed(1)} max ${ours.idle.maxMs.toFixed(1)} ms, meanwhile p50 ${ours.busy.p50Ms.toFixed(1)} p99 ${ours.busy.p99Ms.toFixed(1)} max ${ours.busy.maxMs.toFixed(1)} ms = ${(ours.busy.p99Ms / ours.idle.p99Ms).toFixed(2)} x (${ours.busy.count} answers)`,
    `event loop p99 ${ours.loop.p99Ms.toFixed(0)} max ${ours.loop.maxMs.toFixed(0)} ms`,
    `after the 202: first image claimed ${ours.firstStartMs.toFixed(0)} ms, asked of its origin ${ours.firstHitMs.toFixed(0)} ms`,
  ];
  console.log(`  ${figures.join("\n    ")}`);
}

function printMedians(fast: FastCsv[], ours: Uploaded[]): void {
  const of = (pick: (one: Uploaded, alone: FastCsv) => number) =>
    median(ours.map((one, index) => pick(one, fast[index] ?? (fast[0] as FastCsv))));
  console.log("\nmedians of the rounds, and what is promised");
  const lines: [string, string, string][] = [
    ["to the 202, of fast-csv alone", `${of((one, alone) => one.seconds / alone.seconds).toFixed(2)} x`, "2.5 x"],
    ["memory above that of fast-csv", mb(of((one, alone) => one.peakBytes - one.idleBytes - (alone.peakBytes - alone.idleBytes))), "64 MB"],
    ["status p99, of idle", `${(of((one) => one.busy.p99Ms) / of((one) => one.idle.p99Ms)).toFixed(2)} x`, "5 x"],
    [
      "event loop stands still",
      `${of((one) => one.loop.maxMs).toFixed(0)} ms (worst ${Math.max(...ours.map(({ loop }) => loop.maxMs)).toFixed(0)})`,
      "100 ms",
    ],
    ["first image claimed after the 202", `${of((one) => one.firstStartMs).toFixed(0)} ms`, "1000 ms"],
  ];
  for (const [what, got, promised] of lines) console.log(`  ${what.padEnd(36)} ${got.padStart(22)}   at most ${promised}`);
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function mb(bytes: number): string {
  return `${(bytes / MB).toFixed(0)} MB`;
}
