import { setTimeout as delay } from "node:timers/promises";
import type { Accepted } from "../src/contract/upload.ts";
import { startOrigins, type Origins } from "./origins.ts";
import { percentile, untilEnded, withPressrun } from "./scenario.ts";
import type { Running } from "./service.ts";

/**
 * A batch of ten images while one of 100,000 runs, beside the same while nothing runs; and the tail of a large batch while a thousand small
 * ones come in, beside the same alone. `npm run bench -- fairness [IMAGES of the large batch with the tail]`.
 */
const SMALL = 10;
const BESIDE = 100_000;
const TIMES = 15;
const LARGE = Number(process.argv[3] ?? 20_000);
/** The last quarter. The small batches have twice as many images, so that half of them come after it where shares are equal. */
const TAIL = Math.ceil(LARGE / 4);
const MANY = Math.ceil((2 * TAIL) / SMALL);
const POLL_MS = 5;
const WATCH_MS = 50;

await withPressrun(async (service) => {
  const origins = await startOrigins({ width: 600, height: 450 });
  await measureSmall(service, origins);
  await measureTail(service, origins);
  origins.close();
});

async function measureSmall(service: Running, origins: Origins): Promise<void> {
  const small = async (round: string) => {
    const startedAt = performance.now();
    await untilEnded(service, await service.upload(urls(origins, SMALL, round)), POLL_MS);
    return performance.now() - startedAt;
  };
  const times = async (name: string) => {
    const taken: number[] = [];
    for (let time = 0; time < TIMES; time += 1) taken.push(await small(`${name}-${time}`));
    return percentile(taken, 0.5);
  };
  await small("warm");
  const idleMs = await times("idle");
  const beside = await service.upload(urls(origins, BESIDE, "small-beside"));
  await untilDone(service, beside, 200);
  const busyMs = await times("busy");
  console.log(
    `\na batch of ${SMALL} images, upload to end, the median of ${TIMES}: ${idleMs.toFixed(0)} ms idle, ${busyMs.toFixed(0)} ms beside ${BESIDE} images: ${(busyMs / idleMs).toFixed(2)} times (promised: at most 2)`,
  );
  await service.cancel(beside);
}

async function measureTail(service: Running, origins: Origins): Promise<void> {
  const alone = await runLarge(service, origins, "alone", async () => {});
  const small: Accepted[] = [];
  const beside = await runLarge(service, origins, "beside", async () => {
    for (let index = 0; index < MANY; index += 1) small.push(await service.upload(urls(origins, SMALL, `many-${index}`)));
  });
  let before = 0;
  for (const batch of small) {
    await untilEnded(service, batch, WATCH_MS);
    const { finishedAt } = await service.status(batch);
    if (finishedAt !== null && finishedAt <= beside.endedAt) before += SMALL;
  }
  console.log(
    `\na batch of ${LARGE} images: ${seconds(alone.allMs)} s alone, of which its last ${TAIL} take ${seconds(alone.tailMs)} s\n` +
      `  while ${MANY} batches of ${SMALL} come in from there on: its last ${TAIL} take ${seconds(beside.tailMs)} s, ${(beside.tailMs / alone.tailMs).toFixed(2)} times as long (equal shares: 2; behind all of them: 3)\n` +
      `  for each of these ${(before / beside.left).toFixed(2)} images of the small batches were done before it ended (equal shares: 1; behind all of them: 2)`,
  );
}

type Ran = { allMs: number; tailMs: number; left: number; endedAt: string };

/** To its last image. `meanwhile` begins when the tail is left, of `left` images by then, and may take longer than that. */
async function runLarge(service: Running, origins: Origins, name: string, meanwhile: () => Promise<void>): Promise<Ran> {
  const startedAt = performance.now();
  const batch = await service.upload(urls(origins, LARGE, `large-${name}`));
  const left = LARGE - (await untilDone(service, batch, LARGE - TAIL));
  const tailAt = performance.now();
  const last = untilDone(service, batch, LARGE).then(() => performance.now());
  const [doneAt] = await Promise.all([last, meanwhile()]);
  await untilEnded(service, batch, POLL_MS);
  const { finishedAt } = await service.status(batch);
  return { allMs: doneAt - startedAt, tailMs: ((doneAt - tailAt) * TAIL) / left, left, endedAt: finishedAt ?? "" };
}

/** How many are done then. */
async function untilDone(service: Running, batch: Accepted, images: number): Promise<number> {
  for (;;) {
    const { completed } = (await service.status(batch)).progress;
    if (completed >= images) return completed;
    await delay(WATCH_MS);
  }
}

function urls(origins: Origins, count: number, round: string): string[] {
  return Array.from({ length: count }, (_, index) => origins.urlOf(index, round));
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}
