import { availableParallelism } from "node:os";
import sharp from "sharp";
import { cpuBetween, type Cpu } from "./processes.ts";
import { startPressrun } from "./service.ts";

/** `parts`: what each of several processes has of it. */
export type Round = { imagesPerSecond: number; cpuMsPerImage: number; parts?: Cpu };
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

export async function load(url: string): Promise<ArrayBuffer> {
  const response = await fetch(url);
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`);
  return response.arrayBuffer();
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
      // Twice as many at once as there are cores, so that these need not wait for a download.
      await Promise.all(
        Array.from({ length: 2 * CORES }, async () => {
          while (next < urls.length) {
            const url = urls[next] ?? "";
            next += 1;
            await sharp(await read(url))
              .jpeg({ quality: 50 })
              .toBuffer();
          }
        }),
      );
      const { user, system } = process.cpuUsage(before);
      return measure(urls.length, performance.now() - startedAt, (user + system) / 1_000);
    },
    close: async () => {},
  };
}

/** Pressrun as `npm start` runs it: embedded PostgreSQL, durability on, inputs and outputs kept, result CSV written. */
export async function createPressrun(dataDir: string): Promise<Contestant> {
  const service = await startPressrun(dataDir);
  return {
    name: "Pressrun",
    async run(urls) {
      const before = service.cpu();
      const startedAt = performance.now();
      await service.process(urls);
      const wallMs = performance.now() - startedAt;
      const { all, ...parts } = cpuBetween(before, service.cpu(), urls.length);
      return { ...measure(urls.length, wallMs, all * urls.length), parts };
    },
    close: service.close,
  };
}

export function measure(images: number, wallMs: number, cpuMs: number): Round {
  return { imagesPerSecond: (1_000 * images) / wallMs, cpuMsPerImage: cpuMs / images };
}
