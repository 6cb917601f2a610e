import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import axios from "axios";
import { Queue, Worker } from "bullmq";
import sharp from "sharp";
import { load, measure, type Contestant } from "./contestants.ts";

/** What else one would put together: each keeps its outputs as files, as we do, and nothing more. */
const CORES = availableParallelism();
const run = promisify(execFile);

/** One after the other: download, write, compress. What most scripts do. */
export async function createSequentialLoop(): Promise<Contestant> {
  const folder = await mkdtemp(join(tmpdir(), "pressrun-loop-"));
  return {
    name: "sequential loop (fetch, write, sharp)",
    async run(urls) {
      sharp.concurrency(CORES);
      const before = process.cpuUsage();
      const startedAt = performance.now();
      for (const [index, url] of urls.entries()) {
        const input = join(folder, `${index}.jpg`);
        await writeFile(input, Buffer.from(await load(url)));
        await sharp(input)
          .jpeg({ quality: 50 })
          .toFile(join(folder, `${index}-out.jpg`));
      }
      const { user, system } = process.cpuUsage(before);
      return measure(urls.length, performance.now() - startedAt, (user + system) / 1_000);
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** `xargs -P` over curl and vips: four processes an image (sh, basename, curl, vips), and no record of anything. */
export async function createShellPipeline(): Promise<Contestant> {
  const folder = await mkdtemp(join(tmpdir(), "pressrun-shell-"));
  const script = `xargs -P ${2 * CORES} -I{} sh -c 'f="$(basename "{}")"; curl -sf "{}" -o "in-$f" && VIPS_CONCURRENCY=1 vips jpegsave "in-$f" "out-$f" --Q 50'`;
  return {
    name: "xargs -P | curl | vips",
    async run(urls) {
      const list = join(folder, "urls");
      await writeFile(list, urls.join("\n"));
      const startedAt = performance.now();
      // bash's own `times` counts what its children used.
      const { stdout } = await run("bash", ["-c", `${script} < "${list}" && times`], { cwd: folder });
      return measure(urls.length, performance.now() - startedAt, childrenMs(stdout));
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** `0m1.234s 0m0.567s` of user and system, the second line being that of the children. */
function childrenMs(times: string): number {
  const last = times.trim().split("\n").at(-1) ?? "";
  return [...last.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1_000,
    0,
  );
}

/** Redis without any persistence, so at its fastest: what was queued is gone with it. */
export async function createBullmq(concurrency: number): Promise<Contestant> {
  const folder = await mkdtemp(join(tmpdir(), "pressrun-bullmq-"));
  const port = await freePort();
  const redis = spawn(
    "redis-server",
    ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  for await (const chunk of redis.stdout) if (String(chunk).includes("Ready to accept")) break;
  redis.stdout.resume();
  const connection = { host: "127.0.0.1", port };
  const queue = new Queue("images", { connection });
  return {
    name: `BullMQ + Redis + axios + sharp (${concurrency} at once)`,
    async run(urls) {
      sharp.concurrency(1);
      sharp.cache(false);
      const before = { own: process.cpuUsage(), redis: await cpuMs(redis.pid ?? 0) };
      const startedAt = performance.now();
      await queue.addBulk(urls.map((url) => ({ name: "image", data: { url }, opts: { removeOnComplete: true, attempts: 5 } })));
      const done = Promise.withResolvers<void>();
      let left = urls.length;
      const worker = new Worker<{ url: string }>(
        "images",
        async ({ data }) => {
          const { data: body } = await axios.get<Buffer>(data.url, { responseType: "arraybuffer" });
          const name = randomUUID();
          await writeFile(join(folder, `${name}.in`), body);
          await sharp(body)
            .jpeg({ quality: 50 })
            .toFile(join(folder, `${name}.jpg`));
        },
        { connection, concurrency },
      );
      worker.on("completed", () => (left -= 1) === 0 && done.resolve());
      worker.on("failed", (_, error) => done.reject(error));
      await done.promise;
      const wallMs = performance.now() - startedAt;
      const { user, system } = process.cpuUsage(before.own);
      const redisMs = (await cpuMs(redis.pid ?? 0)) - before.redis;
      await worker.close();
      return measure(urls.length, wallMs, (user + system) / 1_000 + redisMs);
    },
    async close() {
      await queue.close();
      redis.kill();
      await once(redis, "exit");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address ? address.port : 0;
}
