import { startOrigins } from "./origins.ts";
import { cpuBetween, describeCpu } from "./processes.ts";
import { withPressrun } from "./scenario.ts";

/** The same catalogue twice: CPU of service, encoders and PostgreSQL for each. Its origin answers 304 to what it knows. */
const CASES = [
  { name: "600x450", width: 600, height: 450, images: 10_000 },
  { name: "1 megapixel", width: 1000, height: 1000, images: 10_000 },
  { name: "2 megapixels", width: 1600, height: 1200, images: 2_000 },
  { name: "6 megapixels", width: 3000, height: 2000, images: 600 },
];

await withPressrun(async (service) => {
  for (const { name, images, ...size } of CASES) {
    const origins = await startOrigins(size);
    const urls = Array.from({ length: images }, (_, index) => origins.urlOf(index, name));
    const costs: number[] = [];
    for (const time of [1, 2, 3]) {
      const before = service.cpu();
      const startedAt = performance.now();
      const { data } = await service.process(urls, { reused: time === 1 ? 0 : images });
      const cpu = cpuBetween(before, service.cpu(), images);
      costs.push(cpu.all);
      console.log(
        `${name}, ${images} images, upload ${time}: ${((performance.now() - startedAt) / 1_000).toFixed(1)} s, ${cpu.all.toFixed(2)} ms CPU an image (${describeCpu(cpu)}), ${data.progress.reused} reused`,
      );
    }
    console.log(`  the first costs ${((costs[0] ?? 0) / (costs[1] ?? 1)).toFixed(1)} times the second`);
    origins.close();
  }
});
