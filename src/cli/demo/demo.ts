import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startApp } from "../../app.ts";
import { readConfig } from "../../config.ts";
import type { BatchStatusView } from "../../contract/status.ts";
import type { Accepted } from "../../contract/upload.ts";
import { RESULT_FILES } from "../../domain/batch/batch-urls.ts";
import { createLog } from "../../observe/log.ts";
import { createPaths } from "../../storage/paths.ts";
import { startDemoOrigin } from "./demo-origin.ts";
import { endProcess } from "../end-process.ts";
import { startDemoReceiver, type DemoReceiver } from "./demo-receiver.ts";
import { watchForInterruption } from "../interruption.ts";
import { createProgress } from "../progress.ts";
import { settingsOfWork } from "../settings-of-work.ts";

const POLL_MS = 100;
const DEMO_MS = 120_000;
const WEBHOOK_MS = 10_000;

/** Shows the whole service on this machine: a shop with pictures, a receiver of webhooks, and Pressrun between them over HTTP. */
export async function demo(): Promise<void> {
  const config = readConfig({
    ...settingsOfWork(process.env),
    HOST: "127.0.0.1",
    PORT: "0",
    ALLOW_CIDRS: "127.0.0.1/32",
    // A folder of its own, so that the demo is never mixed with real work.
    DATA_DIR: join(process.env["DATA_DIR"] ?? "./data", "demo"),
    LOG_LEVEL: process.env["LOG_LEVEL"] ?? "error",
  });
  console.log("Starting: a shop with sample pictures, a webhook receiver, PostgreSQL and Pressrun …");
  const origin = await startDemoOrigin();
  const receiver = await startDemoReceiver();
  const starting = startApp(config, createLog(config.logLevel));
  const interruption = watchForInterruption(() => void starting.then((app) => app.stop()).finally(() => endProcess(interruption.exitCode)));
  const app = await starting;
  try {
    const startedAt = performance.now();
    const accepted = await upload(app.url ?? "", origin.catalogue, receiver.url);
    receiver.expect(accepted.webhookSecret ?? "");
    const status = await follow(accepted.statusUrl);
    const seconds = (performance.now() - startedAt) / 1_000;
    const isVerified = await awaitWebhook(receiver);
    report(status, { seconds, isVerified, dataDir: config.dataDir });
    const isAsExpected = status.progress.failed === origin.imagesThatShouldFail && status.progress.percent === 100;
    process.exitCode = isAsExpected && isVerified ? 0 : 1;
  } finally {
    origin.close();
    receiver.close();
    await app.stop();
    // Here, before it is told that the service is gone, which is not what ended it.
    if (interruption.signal.aborted) await endProcess(interruption.exitCode);
  }
  await endProcess(Number(process.exitCode ?? 0));
}

async function upload(url: string, csv: string, webhookUrl: string): Promise<Accepted> {
  const form = new FormData();
  form.set("file", new Blob([csv], { type: "text/csv" }), "catalogue.csv");
  form.set("webhookUrl", webhookUrl);
  const response = await fetch(`${url}/uploadAndProcessDocument`, { method: "POST", body: form });
  if (response.status !== 202) throw new Error(`The upload was refused: ${await response.text()}`);
  const accepted = (await response.json()) as Accepted;
  console.log(`POST /uploadAndProcessDocument → 202, ${accepted.message} requestId ${accepted.requestId}`);
  return accepted;
}

async function follow(statusUrl: string): Promise<BatchStatusView> {
  const progress = createProgress(process.stdout);
  const deadline = performance.now() + DEMO_MS;
  for (;;) {
    const status = (await (await fetch(statusUrl)).json()) as BatchStatusView;
    const { total, completed, failed } = status.progress;
    progress.show({ done: completed, failed, total });
    if (status.finishedAt !== null) {
      progress.end();
      return status;
    }
    if (performance.now() > deadline) throw new Error("The demo did not end within two minutes.");
    await delay(POLL_MS);
  }
}

async function awaitWebhook(receiver: DemoReceiver): Promise<boolean> {
  const event = await Promise.race([receiver.received, delay(WEBHOOK_MS, null, { ref: false })]);
  if (event === null) console.log("Webhook    none came");
  else console.log(`Webhook    ${event.type}, signature ${event.isVerified ? "verified" : "WRONG"}`);
  return event?.isVerified ?? false;
}

function report(status: BatchStatusView, run: { seconds: number; isVerified: boolean; dataDir: string }): void {
  const { progress, bytes } = status;
  const megabytes = (count: number) => `${(count / 1_000_000).toFixed(1)} MB`;
  const saved = bytes.input === 0 ? 0 : Math.round(100 * (1 - bytes.output / bytes.input));
  console.log(
    `Images     ${progress.completed} done, ${progress.failed} failed, ${(progress.total / run.seconds).toFixed(1)} images per second`,
  );
  for (const product of status.products) {
    product.errors.forEach((error, index) => {
      if (error) console.log(`           ${product.inputImageUrls[index]}: ${error.code} (${error.message})`);
    });
  }
  console.log(`Bytes      ${megabytes(bytes.input)} before, ${megabytes(bytes.output)} after: ${saved} % saved`);
  const paths = createPaths(run.dataDir);
  console.log(`Images in  ${paths.outputFolder(status.requestId)}`);
  console.log(`Result CSV ${join(paths.resultFolder(status.requestId), RESULT_FILES.resultsCsv)}`);
}
