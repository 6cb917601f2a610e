import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import type { Batch } from "../src/contract/batch.ts";
import type { BatchEvent } from "../src/contract/event.ts";
import type { BatchStatusView } from "../src/contract/status.ts";
import type { Accepted } from "../src/contract/upload.ts";
import { demandAllDone, demandNoneFailed } from "./demand-done.ts";
import { encodersOf } from "../test/support/processes.ts";
import { cpuOf, type Cpu } from "./processes.ts";

export type Running = {
  url: string;
  pid: number;
  /** Uploads a CSV of these URLs, one a product. */
  upload(urls: readonly string[], query?: string): Promise<Accepted>;
  /** The same, from the upload's first byte to the webhook; fails where not every image was done, or others were reused than said. */
  process(urls: readonly string[], expected?: { reused: number }): Promise<BatchEvent>;
  /** How that batch stands; fails where one of its images failed, and at its end as process() does. */
  status(batch: Pick<Accepted, "statusUrl" | "images">, expected?: { reused: number }): Promise<BatchStatusView>;
  /** Returns when it has ended. */
  cancel(batch: Pick<Accepted, "requestId">): Promise<void>;
  /** Until now. */
  cpu(): Cpu;
  encoderPids(): number[];
  close(): Promise<void>;
};

const CANCEL_POLL_MS = 100;

/** Pressrun as `npm start` runs it, in a process of its own, with its embedded PostgreSQL. */
export async function startPressrun(dataDir: string, env: Record<string, string> = {}): Promise<Running> {
  // A channel, so that the service ends where this process is killed, as it does below the wrapper of an older Node.
  const own = { PRESSRUN_WRAPPER: String(process.pid), PORT: "0", ALLOW_CIDRS: "127.0.0.1/32", DATA_DIR: dataDir, EMBEDDED_PG_PORT: "0" };
  const child = spawn(process.execPath, ["bin/pressrun.js", "serve"], {
    env: { ...process.env, LOG_LEVEL: "warn", ...own, ...env },
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const url = await listeningUrl(child);
  const receiver = await startReceiver();
  const pid = child.pid ?? 0;
  const post = (urls: readonly string[], query: string) => {
    const csv = ["S. No,Product Name,Input Image Urls", ...urls.map((image, index) => `${index + 1},Product,${image}`)].join("\n");
    return fetch(`${url}/uploadAndProcessDocument${query}`, { method: "POST", headers: { "content-type": "text/csv" }, body: csv });
  };
  return {
    url,
    pid,
    async upload(urls, query = "") {
      const response = await post(urls, query);
      if (response.status !== 202) throw new Error(`the upload was answered ${response.status}: ${await response.text()}`);
      return (await response.json()) as Accepted;
    },
    async process(urls, { reused } = { reused: 0 }) {
      const delivered = receiver.next(() => post(urls, `?webhookUrl=${receiver.url}`));
      const event = await Promise.race([
        delivered,
        exited.then(([code, signal]) => Promise.reject(new Error(`Pressrun has ended: ${signal ?? code}`))),
      ]);
      demandAllDone(event.data.progress, { images: urls.length, reused });
      return event;
    },
    async status({ statusUrl, images }, { reused } = { reused: 0 }) {
      const response = await fetch(`${statusUrl}?limit=1`);
      if (response.status !== 200) throw new Error(`${statusUrl} answered ${response.status}: ${await response.text()}`);
      const status = (await response.json()) as BatchStatusView;
      if (status.finishedAt === null) demandNoneFailed(status.progress, { images });
      else demandAllDone(status.progress, { images, reused });
      return status;
    },
    async cancel({ requestId }) {
      for (;;) {
        const response = await fetch(`${url}/v1/batches/${requestId}/cancel`, { method: "POST" });
        if (response.status !== 200) throw new Error(`the cancel was answered ${response.status}: ${await response.text()}`);
        // Asked again it changes nothing.
        if (((await response.json()) as Batch).finishedAt !== null) return;
        await delay(CANCEL_POLL_MS);
      }
    },
    cpu: () => cpuOf(pid, dataDir),
    encoderPids: () => encodersOf(pid),
    async close() {
      child.kill("SIGTERM");
      await exited;
      receiver.close();
    },
  };
}

type Receiver = { url: string; next(upload: () => Promise<Response>): Promise<BatchEvent>; close(): void };

/** Takes the batch's webhook: the end is known without asking for it all the time. */
async function startReceiver(): Promise<Receiver> {
  let deliver = (_event: BatchEvent) => {};
  const server = createServer((request, response) => {
    void text(request).then((body) => deliver(JSON.parse(body) as BatchEvent));
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async next(upload) {
      const delivered = new Promise<BatchEvent>((resolve) => (deliver = resolve));
      const response = await upload();
      if (response.status !== 202) throw new Error(`the upload was answered ${response.status}: ${await response.text()}`);
      return delivered;
    },
    close: () => server.close(),
  };
}

async function listeningUrl(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error("no output to read");
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /listens on (\S+)/.exec(line) ?? [];
    if (url) return url;
  }
  throw new Error("Pressrun did not start");
}
