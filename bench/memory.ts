import { setTimeout as delay } from "node:timers/promises";
import { startOrigins } from "./origins.ts";
import { residentMb } from "./processes.ts";
import { untilEnded, withPressrun } from "./scenario.ts";

/** Memory of the service and of its encoders over 20,000 images, and how it grows once it is warm. */
const IMAGES = Number(process.argv[3] ?? 20_000);
const STEP = 1_000;

await withPressrun(async (service) => {
  const origins = await startOrigins({ width: 600, height: 450 });
  const batch = await service.upload(Array.from({ length: IMAGES }, (_, index) => origins.urlOf(index, "m")));
  const samples: { images: number; service: number; encoders: number }[] = [];
  for (let next = STEP; next <= IMAGES;) {
    await delay(100);
    const { progress } = await service.status(batch);
    if (progress.completed < next) continue;
    next = Math.floor(progress.completed / STEP) * STEP + STEP;
    const encoders = Math.max(...service.encoderPids().map(residentMb));
    samples.push({ images: progress.completed, service: residentMb(service.pid), encoders });
  }
  await untilEnded(service, batch, 100);
  console.log("\nimages    service MB   largest encoder MB");
  for (const { images, service: own, encoders } of samples)
    console.log(`${String(images).padStart(6)} ${own.toFixed(0).padStart(12)} ${encoders.toFixed(0).padStart(20)}`);
  const warm = samples.slice(Math.floor(samples.length / 4));
  console.log(
    `slope per 1,000 images after the first quarter: service ${slope(warm, "service").toFixed(2)} MB, encoders ${slope(warm, "encoders").toFixed(2)} MB`,
  );
  origins.close();
});

/** Least squares, MB for 1,000 images. */
function slope(samples: readonly { images: number; service: number; encoders: number }[], what: "service" | "encoders"): number {
  const mean = (pick: (sample: (typeof samples)[number]) => number) =>
    samples.reduce((sum, sample) => sum + pick(sample), 0) / samples.length;
  const [x, y] = [mean(({ images }) => images), mean((sample) => sample[what])];
  const over = samples.reduce((sum, sample) => sum + (sample.images - x) * (sample[what] - y), 0);
  return (1_000 * over) / samples.reduce((sum, { images }) => sum + (images - x) ** 2, 0);
}
