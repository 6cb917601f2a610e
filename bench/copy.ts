// Before anything is loaded: the second part sets this process up as the service's is.
import "../bin/process-settings.js";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureJobPath } from "./job-path.ts";
import { startOrigins } from "./origins.ts";
import { cpuBetween, describeCpu } from "./processes.ts";
import { percentile, withPressrun } from "./scenario.ts";

/**
 * What Pressrun itself costs, and how many images one PostgreSQL can feed to the cores of a fleet: the whole service, with a copy of the
 * input in the place of what an encoder makes. Then the path of a job alone, in one process, which can be profiled.
 * `npm run bench -- copy [IMAGES] [ROUNDS]`.
 */
const IMAGES = Number(process.argv[3] ?? 20_000);
const ROUNDS = Number(process.argv[4] ?? 3);
const PROMISED = { imagesPerSecond: 1_000, cpuMs: 1 };

const origins = await startOrigins({ width: 320, height: 240 });
const hook = new URL("copy-encoders.ts", import.meta.url).href;
await withPressrun(
  async (service) => {
    console.log(`\nthe whole service, ${IMAGES} images of ${Math.round(origins.bytes / 1_000)} kB a round, from the upload to the webhook`);
    const rounds: { rate: number; cpuMs: number }[] = [];
    for (let round = 0; round <= ROUNDS; round += 1) {
      const before = service.cpu();
      const startedAt = performance.now();
      const { data } = await service.process(Array.from({ length: IMAGES }, (_, index) => origins.urlOf(index, String(round))));
      const rate = (1_000 * IMAGES) / (performance.now() - startedAt);
      const cpu = cpuBetween(before, service.cpu(), IMAGES);
      if (data.bytes.input !== data.bytes.output) throw new Error("Expected outputs that are copies of the inputs, got others.");
      // The first round warms up and is not counted.
      if (round === 0) continue;
      rounds.push({ rate, cpuMs: cpu.all });
      console.log(`  ${rate.toFixed(0)} images/s, ${cpu.all.toFixed(2)} ms CPU an image: ${describeCpu(cpu)}`);
    }
    const median = (pick: (round: (typeof rounds)[number]) => number) => percentile(rounds.map(pick), 0.5);
    console.log(
      `  median ${median(({ rate }) => rate).toFixed(0)} images/s (promised: at least ${PROMISED.imagesPerSecond} on two cores), ` +
        `${median(({ cpuMs }) => cpuMs).toFixed(2)} ms CPU an image (promised: at most ${PROMISED.cpuMs.toFixed(1)})`,
    );
  },
  { NODE_OPTIONS: `--import=${hook} ${process.env["NODE_OPTIONS"] ?? ""}` },
);

console.log("\nthe job path alone, in one process: no upload, no webhook, no encoder processes");
const dataDir = await mkdtemp(join(tmpdir(), "pressrun-job-path-"));
try {
  await measureJobPath({ dataDir, origins, images: IMAGES, rounds: ROUNDS });
} finally {
  origins.close();
  await rm(dataDir, { recursive: true, force: true });
}
