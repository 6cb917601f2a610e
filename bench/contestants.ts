import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { availableParallelism } from "node:os";
import { text } from "node:stream/consumers";
import sharp from "sharp";
import type { BatchEventBody } from "../src/domain/batch-event.ts";

export type Round = { imagesPerSecond: number; cpuMsPerImage: number };
export type Contestant = { name: string; run(urls: readonly string[]): Promise<Round>; close(): Promise<void> };

const CORES = availableParallelism();

/** Decode and encode of a photo that lies in memory: what the cores can do at most. */
export async function createBareLoop(url: string): Promise<Contestant> {
  const photo = await load(url);
  return inProcess("bare loop (sharp, in memory)", async () => photo);
}

/** The same with a download before each: the fastest that one would write by hand. */
export function createDownloadLoop(): Contestant {
  return inProcess("download loop (fetch + sharp, in memory)", load);
}

async function load(url: string): Promise<ArrayBuffer> {
  return (await fetch(url)).arrayBuffer();
}

function inProcess(name: string, read: (url: string) => Promise<ArrayBuffer>): Contestant {
  return {
    name,
    async run(urls) {
      sharp.concurrency(1);
      sharp.cache(false);
      const before = process.cpuUsage();
      const startedAt = performance.now();
      let next = 0;
      // Twice as many downloads as cores, so that the cores need not wait; as many encodes as cores at once (libuv's pool).
      await Promise.all(Array.from({ length: 2 * CORES }, async () => {
        while (next < urls.length) {
          const url = urls[next] ?? "";
          next += 1;
          await sharp(await read(url)).jpeg({ quality: 50 }).toBuffer();
        }
      }));
      const { user, system } = process.cpuUsage(before);
      return measure(urls.length, performance.now() - startedAt, (user + system) / 1_000);
    },
    close: async () => {},
  };
}

/** Pressrun as `npm start` runs it: embedded PostgreSQL, durability on, inputs and outputs kept, result CSV written. */
export async function createPressrun(dataDir: string): Promise<Contestant> {
  const child = spawn(process.execPath, ["bin/pressrun.js", "serve"], {
    env: { ...process.env, PORT: "0", ALLOW_CIDRS: "127.0.0.1/32", DATA_DIR: dataDir, EMBEDDED_PG_PORT: "0", LOG_LEVEL: "warn" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url = await listeningUrl(child);
  const receiver = await startReceiver();
  return {
    name: "Pressrun",
    async run(urls) {
      const csv = ["S. No,Product Name,Input Image Urls", ...urls.map((image, index) => `${index + 1},Product,${image}`)].join("\n");
      const before = cpuMsOf(child.pid ?? 0, dataDir);
      const startedAt = performance.now();
      const { data } = await receiver.next(() => fetch(`${url}/uploadAndProcessDocument?webhookUrl=${receiver.url}`, { method: "POST", headers: { "content-type": "text/csv" }, body: csv }));
      if (data.progress.completed !== urls.length) throw new Error(`only ${data.progress.completed} of ${urls.length} images were done`);
      const wallMs = performance.now() - startedAt;
      return measure(urls.length, wallMs, cpuMsOf(child.pid ?? 0, dataDir) - before);
    },
    async close() {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
      receiver.close();
    },
  };
}

type Receiver = { url: string; next(upload: () => Promise<Response>): Promise<BatchEventBody>; close(): void };

/** Takes the batch's webhook: the end is known without asking for it all the time. */
async function startReceiver(): Promise<Receiver> {
  let deliver = (_event: BatchEventBody) => {};
  const server = createServer((request, response) => {
    void text(request).then((body) => deliver(JSON.parse(body) as BatchEventBody));
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async next(upload) {
      const delivered = new Promise<BatchEventBody>((resolve) => (deliver = resolve));
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

export function measure(images: number, wallMs: number, cpuMs: number): Round {
  return { imagesPerSecond: (1_000 * images) / wallMs, cpuMsPerImage: cpuMs / images };
}

const TICK_MS = 10;

/**
 * CPU time of the service, its encoders and its PostgreSQL (whose processes name the data folder). Of those that
 * have ended, what their parent has waited for is counted in.
 */
function cpuMsOf(pid: number, dataDir: string): number {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return [{ pid: Number(name), parent: Number(fields[1]), ticks: fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0), command: readFileSync(`/proc/${name}/cmdline`, "utf8") }];
    } catch {
      return [];
    }
  });
  const postmaster = all.find(({ command }) => command.includes(`${dataDir}/postgres`) && command.includes("listen_addresses"))?.pid;
  const ours = all.filter((one) => one.pid === pid || one.parent === pid || one.pid === postmaster || one.parent === postmaster);
  return ours.reduce((sum, { ticks }) => sum + ticks * TICK_MS, 0);
}
