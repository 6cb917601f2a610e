import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBareLoop, createDownloadLoop, createPressrun, type Contestant, type Round } from "./contestants.ts";
import { printMachine } from "./machine.ts";
import { startOrigins } from "./origins.ts";
import { describeCpu, type Cpu } from "./processes.ts";

/**
 * Images per second and CPU per image, end to end: `npm run bench -- [ROUNDS] [PHOTOS] [PICTURES]` beside loops in memory,
 * `npm run bench -- peers …` beside what else one would put together. As many of 6 megapixels, and of 600x450, are in a round; 0 for none.
 */
const hasPeers = process.argv[2] === "peers";
/** Rounds of some six seconds: what a batch costs beside its images should neither decide nor be left out. */
const [ROUNDS = 5, PHOTOS = 150, PICTURES = 1_500] = process.argv.filter((word) => /^\d+$/.test(word)).map(Number);
const SIZES = [
  { name: "6 megapixels", width: 3000, height: 2000, images: PHOTOS },
  { name: "600x450", width: 600, height: 450, images: PICTURES },
].filter(({ images }) => images > 0);
/** How many images BullMQ works at once. Which is best for it depends on the machine: its best one counts. */
const BULLMQ_AT_ONCE = [4, 8, 16];

if (hasPeers) requirePrograms(["redis-server", "curl", "vips", "xargs"]);
printMachine(`${ROUNDS} rounds`);
const dataDir = await mkdtemp(join(tmpdir(), "pressrun-bench-"));
const lasting: Contestant[] = [await createPressrun(dataDir), ...(hasPeers ? await startPeers() : [])];
try {
  for (const size of SIZES) await compare(size);
} finally {
  for (const contestant of lasting) await contestant.close();
  await rm(dataDir, { recursive: true, force: true });
}

function requirePrograms(names: string[]): void {
  const missing = names.filter((name) => spawnSync(name, ["--version"], { stdio: "ignore" }).error !== undefined);
  if (missing.length === 0) return;
  console.error(`The peers need ${missing.join(", ")}: \`apt-get install redis-server curl libvips-tools findutils\` on Debian.`);
  process.exit(2);
}

async function startPeers(): Promise<Contestant[]> {
  const { createBullmq, createSequentialLoop, createShellPipeline } = await import("./peers.ts");
  const queues = await Promise.all(BULLMQ_AT_ONCE.map(createBullmq));
  return [...queues, await createSequentialLoop(), await createShellPipeline()];
}

async function compare(size: (typeof SIZES)[number]): Promise<void> {
  const origins = await startOrigins(size);
  const urls = (round: string) => Array.from({ length: size.images }, (_, index) => origins.urlOf(index, round));
  const contestants: Contestant[] = [await createBareLoop(urls("first")[0] ?? ""), createDownloadLoop(), ...lasting];
  const rounds = new Map<string, Round[]>(contestants.map(({ name }) => [name, []]));
  // The first round warms up and is not counted.
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const contestant of contestants) {
      const measured = await contestant.run(urls(`${size.width}-${round}`));
      if (round > 0) rounds.get(contestant.name)?.push(measured);
    }
  }
  origins.close();
  print(size, origins.bytes, rounds);
}

function print(size: (typeof SIZES)[number], bytes: number, rounds: Map<string, Round[]>): void {
  console.log(`\n${size.name}, JPEG of ${Math.round(bytes / 1_000)} kB, ${size.images} images a round`);
  const [bare, download] = [...rounds.values()].map((list) => median(list.map(({ imagesPerSecond }) => imagesPerSecond)));
  for (const [name, list] of rounds) {
    const rate = median(list.map(({ imagesPerSecond }) => imagesPerSecond));
    const cpu = median(list.map(({ cpuMsPerImage }) => cpuMsPerImage));
    const ratio = (base: number | undefined) => (rate / (base ?? rate)).toFixed(2);
    console.log(
      `  ${name.padEnd(44)} ${rate.toFixed(1).padStart(7)} images/s  ${cpu.toFixed(2).padStart(7)} ms CPU/image  ${ratio(bare)} of bare  ${ratio(download)} of download`,
    );
    const parts = list.flatMap(({ parts }) => parts ?? []);
    const of = (pick: (part: Cpu) => number) => median(parts.map(pick));
    if (parts.length > 0)
      console.log(
        `    of its CPU: ${describeCpu({ service: of((part) => part.service), encoders: of((part) => part.encoders), database: of((part) => part.database) })}`,
      );
  }
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
