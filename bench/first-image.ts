import { setTimeout as delay } from "node:timers/promises";
import { startOrigins } from "./origins.ts";
import { percentile, untilEnded, withPressrun } from "./scenario.ts";

/** From the first byte of the upload to the first image that a client sees as done, on an idle service. */
const TIMES = 40;

await withPressrun(async (service) => {
  const origins = await startOrigins({ width: 600, height: 450 });
  const taken: number[] = [];
  for (let time = 0; time <= TIMES; time += 1) {
    const startedAt = performance.now();
    const batch = await service.upload(Array.from({ length: 10 }, (_, index) => origins.urlOf(index, String(time))));
    while ((await service.status(batch)).progress.completed === 0);
    if (time > 0) taken.push(performance.now() - startedAt);
    await untilEnded(service, batch, 20);
    await delay(300);
  }
  console.log(
    `\nupload to first image done, 10 images of 600x450, ${TIMES} times: p50 ${percentile(taken, 0.5).toFixed(0)} ms, p90 ${percentile(taken, 0.9).toFixed(0)} ms`,
  );
  origins.close();
});
