import { setTimeout as delay } from "node:timers/promises";
import { startOrigins } from "./origins.ts";
import { percentile, untilEnded, withPressrun } from "./scenario.ts";

/** A batch of ten images while one of 100,000 runs, beside the same while nothing runs; and a thousand small ones beside a large. */
const SMALL = 10;
const LARGE = 100_000;
const TIMES = 15;
const MANY = 1_000;
const POLL_MS = 5;

await withPressrun(async (service) => {
  const origins = await startOrigins({ width: 600, height: 450 });
  const urls = (count: number, round: string) => Array.from({ length: count }, (_, index) => origins.urlOf(index, round));
  const small = async (round: string) => {
    const startedAt = performance.now();
    await untilEnded(service, await service.upload(urls(SMALL, round)), POLL_MS);
    return performance.now() - startedAt;
  };
  const times = async (name: string) => {
    const taken: number[] = [];
    for (let time = 0; time < TIMES; time += 1) taken.push(await small(`${name}-${time}`));
    return percentile(taken, 0.5);
  };
  await small("warm");
  const idleMs = await times("idle");
  const large = await service.upload(urls(LARGE, "large"));
  while ((await service.status(large)).progress.completed < 200) await delay(50);
  const busyMs = await times("busy");
  console.log(
    `\na batch of ${SMALL} images, upload to end, the median of ${TIMES}: ${idleMs.toFixed(0)} ms idle, ${busyMs.toFixed(0)} ms beside ${LARGE} images: ${(busyMs / idleMs).toFixed(2)} times`,
  );

  const rate = async (withinMs: number) => {
    const before = (await service.status(large)).progress.completed;
    const startedAt = performance.now();
    await delay(withinMs);
    return (1_000 * ((await service.status(large)).progress.completed - before)) / (performance.now() - startedAt);
  };
  const alone = await rate(4_000);
  const uploads = (async () => {
    for (let index = 0; index < MANY; index += 1) await service.upload(urls(SMALL, `many-${index}`));
  })();
  const beside = await rate(8_000);
  await uploads;
  const after = await rate(4_000);
  console.log(
    `the large batch: ${alone.toFixed(0)} images/s alone, ${beside.toFixed(0)} while ${MANY} small ones come in, ${after.toFixed(0)} once they are all there`,
  );
  origins.close();
});
