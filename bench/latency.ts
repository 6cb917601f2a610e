import { startOrigins } from "./origins.ts";
import { percentile, withPressrun } from "./scenario.ts";

/** 50 origins that answer after 300 ms, a part of the answers or of the origins after 5 s, beside one that answers at once; by turns. */
const IMAGES = Number(process.argv[3] ?? 3_000);
const ROUNDS = Number(process.argv[4] ?? 3);
const WARM_UP_IMAGES = 1_000;
const SIZE = { width: 600, height: 450 };
const CASES = {
  "one origin, no latency": SIZE,
  "50 origins, no latency": { ...SIZE, origins: 50 },
  "50 origins, 300 ms": { ...SIZE, origins: 50, latencyMs: 300 },
  "50 origins, 300 ms, 5 % take 5 s": { ...SIZE, origins: 50, latencyMs: 300, slowPercent: 5, slowMs: 5_000 },
  "50 origins, 300 ms, 3 of them 5 s": { ...SIZE, origins: 50, latencyMs: 300, slowOrigins: 3, slowMs: 5_000 },
  "one origin, 300 ms": { ...SIZE, latencyMs: 300 },
};

await withPressrun(async (service) => {
  const rates = new Map<string, number[]>(Object.keys(CASES).map((name) => [name, []]));
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [index, [name, options]] of Object.entries(CASES).entries()) {
      const origins = await startOrigins(options);
      const startedAt = performance.now();
      const images = round === 0 ? Math.min(IMAGES, WARM_UP_IMAGES) : IMAGES;
      // An origin of one case can get the port of another's, whose images are not to be known from there.
      await service.process(Array.from({ length: images }, (_, image) => origins.urlOf(image, `${round}-${index}`)));
      if (round > 0) rates.get(name)?.push((1_000 * IMAGES) / (performance.now() - startedAt));
      origins.close();
    }
  }
  console.log(`\n600x450, ${IMAGES} images a round, the median of ${ROUNDS}`);
  const base = percentile(rates.get("50 origins, no latency") ?? [], 0.5);
  for (const [name, list] of rates)
    console.log(
      `  ${name.padEnd(36)} ${percentile(list, 0.5).toFixed(1).padStart(7)} images/s  ${(percentile(list, 0.5) / base).toFixed(2)}`,
    );
});
