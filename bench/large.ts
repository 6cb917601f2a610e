import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { setTimeout as delay } from "node:timers/promises";
import type { Accepted } from "../src/contract/upload.ts";
import { startOrigins } from "./origins.ts";
import { cpuBetween, describeCpu, residentMb } from "./processes.ts";
import { withPressrun } from "./scenario.ts";
import type { Running } from "./service.ts";

/**
 * One large batch to its end, and again: whether the last image costs what the first one did, and whether each row of the result has its
 * output. The images are tiny, so that tables and queue are what is measured. `npm run bench -- large [IMAGES] [TIMES]`.
 */
const IMAGES = Number(process.argv[3] ?? 600_000);
const TIMES = Number(process.argv[4] ?? 2);
const STEPS = 10;
const LOOK_MS = 200;

await withPressrun(async (service) => {
  const origins = await startOrigins({ width: 96, height: 72, origins: 20 });
  const urls = Array.from({ length: IMAGES }, (_, index) => origins.urlOf(index, "l"));
  for (let time = 1; time <= TIMES; time += 1) {
    const startedAt = performance.now();
    const before = service.cpu();
    const batch = await service.upload(urls);
    console.log(`\nupload ${time} of ${IMAGES} images, accepted after ${seconds(startedAt)} s`);
    console.log("  images   images/s   ms CPU/image   service MB   largest encoder MB   status ms");
    await followSteps(service, batch, { reused: time === 1 ? 0 : IMAGES });
    const cpu = cpuBetween(before, service.cpu(), IMAGES);
    console.log(
      `  ended after ${seconds(startedAt)} s, ${cpu.all.toFixed(2)} ms CPU an image with its upload and its result (${describeCpu(cpu)})`,
    );
    const outputs = await countOutputs(batch.outputCsvUrl);
    if (outputs !== IMAGES)
      throw new Error(`Expected each of ${IMAGES} rows of the result to have an output of its own, ${outputs} have one.`);
    console.log(`  each of ${IMAGES} rows of the result has an output of its own`);
  }
  origins.close();
});

/** Prints a line for each tenth of the batch, until it has ended. */
async function followSteps(service: Running, batch: Accepted, expected: { reused: number }): Promise<void> {
  let last = { images: 0, at: performance.now(), cpu: service.cpu() };
  for (let next = IMAGES / STEPS; ;) {
    await delay(LOOK_MS);
    const askedAt = performance.now();
    const { progress, finishedAt } = await service.status(batch, expected);
    const statusMs = performance.now() - askedAt;
    const images = progress.completed;
    if (images >= next && images > last.images) {
      const now = { images, at: performance.now(), cpu: service.cpu() };
      const perSecond = (1_000 * (images - last.images)) / (now.at - last.at);
      const cpu = cpuBetween(last.cpu, now.cpu, images - last.images);
      const [own, encoders] = [residentMb(service.pid), Math.max(...service.encoderPids().map(residentMb))];
      console.log(
        `${String(images).padStart(8)} ${perSecond.toFixed(0).padStart(10)} ${cpu.all.toFixed(2).padStart(14)} ${own.toFixed(0).padStart(12)} ${encoders.toFixed(0).padStart(20)} ${statusMs.toFixed(0).padStart(11)}`,
      );
      last = now;
      next = (Math.floor((images * STEPS) / IMAGES) + 1) * (IMAGES / STEPS);
    }
    if (finishedAt !== null) return;
  }
}

/** How many rows name an output that no other row names. */
async function countOutputs(outputCsvUrl: string): Promise<number> {
  const { body } = await fetch(outputCsvUrl);
  const outputs = new Set<string>();
  // Read by line: the result of millions of rows is longer than a string can be.
  for await (const row of createInterface({ input: Readable.fromWeb(body as ReadableStream) })) {
    const [, output] = /,(http[^,]*\/outputs\/[^,]+),completed,/.exec(row) ?? [];
    if (output !== undefined) outputs.add(output);
  }
  return outputs.size;
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1_000).toFixed(1);
}
