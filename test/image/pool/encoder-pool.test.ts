import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { PRESETS } from "../../../src/domain/image/recipe.ts";
import type { EncodeTask } from "../../../src/image/encode/encode-task.ts";
import type { EncoderPool } from "../../../src/image/pool/encoder-pool.ts";
import { makeSamplePhoto } from "../../../src/image/sample-photo.ts";
import { encode as encodeBy, encodeTask, startPool } from "../../support/encoder-pool.ts";
import { eventually } from "../../support/eventually.ts";
import { createTestFolder } from "../../support/folder.ts";
import { isAlive } from "../../support/processes.ts";

const never = new AbortController().signal;

describe("the encoder pool", { timeout: 60_000 }, () => {
  let folder: string;
  let large: string;
  let middling: string;
  let small: string;

  before(async () => {
    folder = await createTestFolder();
    large = join(folder, "large.jpg");
    middling = join(folder, "middling.jpg");
    small = join(folder, "small.jpg");
    await writeFile(large, await makeSamplePhoto({ width: 4000, height: 3000, seed: 1, format: "jpeg" }));
    await writeFile(middling, await makeSamplePhoto({ width: 2400, height: 1800, seed: 1, format: "jpeg" }));
    await writeFile(small, await makeSamplePhoto({ width: 64, height: 64, seed: 1, format: "jpeg" }));
  });

  const task = (path = large) => encodeTask(folder, path);
  const encode = (pool: EncoderPool, given = task(), ...rest: [number?, AbortSignal?]) => encodeBy(pool, given, ...rest);

  test("compresses to the path it was given", async () => {
    const given = task();
    const result = await encode(startPool().pool, given);
    assert.ok(result.ok);
    assert.deepEqual([result.value.outputs[0]?.width, result.value.outputs[0]?.height], [4000, 3000]);
    assert.equal((await readFile(given.outputs[0]?.path ?? "")).length, result.value.outputs[0]?.bytes);
  });

  test("gives an image whose encoder was killed one more try, and nothing else notices", async () => {
    const { pool, lost } = startPool();
    const [first, second] = [encode(pool), encode(pool)];
    await eventually("the encoder to run", async () => pool.running === 1);
    process.kill(pool.pids[0] ?? 0, "SIGKILL");
    assert.deepEqual([(await first).ok, (await second).ok], [true, true]);
    assert.deepEqual(lost, ["SIGKILL"]);
  });

  test("replaces an encoder that does not come to its first image", async () => {
    const { pool, lost } = startPool({ startMs: 5_000 });
    process.kill(pool.pids[0] ?? 0, "SIGSTOP");
    assert.ok((await encode(pool)).ok);
    assert.deepEqual(lost, ["start"]);
  });

  test("tries again where the system makes no process, which Node throws for most reasons", async () => {
    const { execPath } = process;
    // ENOTDIR; ENOMEM is thrown as well, unlike EAGAIN and ENOENT, which the child tells.
    process.execPath = join(small, "node");
    try {
      const { pool, lost } = startPool();
      process.execPath = execPath;
      assert.ok((await encode(pool, task(small))).ok);
      assert.deepEqual(lost, ["spawn ENOTDIR"]);
    } finally {
      process.execPath = execPath;
    }
  });

  test("gives an order that could not be written to a fresh encoder, instead of waiting for its reply", async () => {
    const children: ChildProcess[] = [];
    const onChild = (message: unknown) => children.push((message as { process: ChildProcess }).process);
    subscribe("child_process", onChild);
    const { pool, lost } = startPool();
    unsubscribe("child_process", onChild);
    const [child] = children;
    assert.ok(child);
    child.send = (_order: unknown, ...rest: unknown[]) => {
      process.nextTick(rest.at(-1) as (error: Error) => void, new Error("write ENOBUFS"));
      return true;
    };
    assert.ok((await encode(pool, task(small))).ok);
    assert.deepEqual(lost, ["SIGKILL"]);
  });

  test("gives up on an image that takes its encoder down twice, but not on the next", async () => {
    const { pool } = startPool();
    const seen = new Set<number>();
    const killing = setInterval(() => {
      const [pid] = pool.pids;
      // Kills two encoders, each once it is at work.
      if (!pid || pool.running !== 1 || seen.has(pid) || seen.size >= 2) return;
      seen.add(pid);
      process.kill(pid, "SIGKILL");
    }, 5);
    const heavy = { ...task(), outputs: [{ ...PRESETS.seed, name: "main", path: join(folder, "heavy.avif"), format: "avif" as const }] };
    const [first, second] = await Promise.all([encode(pool, heavy), encode(pool)]);
    clearInterval(killing);
    assert.equal(first.ok ? null : first.failure.code, "encoder_crashed");
    assert.equal(second.ok, true);
  });

  test("ends an encoder that hangs, twice, then says that the image timed out", async () => {
    const { pool, lost } = startPool({ taskMs: 300 });
    const stopped = new Set<number>();
    const stopping = setInterval(() => {
      const [pid] = pool.pids;
      if (!pid || pool.running !== 1 || stopped.has(pid)) return;
      stopped.add(pid);
      process.kill(pid, "SIGSTOP");
    }, 5);
    const heavy = { ...task(), outputs: [{ ...PRESETS.seed, name: "main", path: join(folder, "hung.avif"), format: "avif" as const }] };
    const result = await encode(pool, heavy);
    clearInterval(stopping);
    assert.equal(result.ok ? null : result.failure.code, "encode_timed_out");
    assert.deepEqual(lost, ["deadline", "deadline"]);
  });

  test("ends an encoder that hangs with a drawing sooner, and once", async () => {
    const { pool, lost } = startPool({ allowSvg: true, drawingMs: 300 });
    const path = join(folder, "hung.svg");
    await writeFile(path, '<svg xmlns="http://www.w3.org/2000/svg" width="5000" height="5000"><circle r="5000"/></svg>');
    const stopping = setInterval(() => pool.running === 1 && process.kill(pool.pids[0] ?? 0, "SIGSTOP"), 5);
    const drawing = task(path);
    const result = await encode(pool, { ...drawing, input: { ...drawing.input, format: "svg" } });
    clearInterval(stopping);
    assert.deepEqual(result.ok ? null : [result.failure.code, result.failure.detail], [
      "encode_timed_out",
      "The drawing took longer than 0.3 s to draw and compress. Ask for a smaller width and height, or give it fewer effects, or as a PNG.",
    ]);
    assert.deepEqual(lost, ["deadline"]);
  });

  const canPin = spawnSync("taskset", ["-c", "0", "true"]).status === 0;
  const areWaitsTold = existsSync("/proc/self/schedstat") && !readFileSync("/proc/self/schedstat", "utf8").startsWith("0 0");

  test("leaves one alone that is late because others keep its core busy", { skip: !(canPin && areWaitsTold) }, async () => {
    const { pool, lost } = startPool({ taskMs: 1_500 });
    await encode(pool, task(small));
    execFileSync("taskset", ["-a", "-p", "-c", "0", String(pool.pids[0])]);
    const busy = "for one in 1 2 3 4; do while :; do :; done & done; wait";
    const neighbour = spawn("taskset", ["-c", "0", "sh", "-c", busy], { detached: true, stdio: "ignore" });
    try {
      const startedAt = performance.now();
      const result = await encode(pool, task(middling));
      const tookMs = performance.now() - startedAt;
      assert.deepEqual([result.ok, lost], [true, []]);
      assert.ok(tookMs > 2_250, `${tookMs} ms: nobody kept it waiting for so long that it counts`);
    } finally {
      process.kill(-(neighbour.pid ?? 0), "SIGKILL");
    }
  });

  test("ends an encoder that outgrows its memory by an image of few pixels, twice, and then says that of the image", async () => {
    const { pool, lost } = startPool({ memoryBytesMax: 40 * 1024 * 1024 });
    const { input } = task();
    const outputs = [{ ...PRESETS.seed, name: "main", path: join(folder, "fat.avif"), format: "avif" as const }];
    const result = await encode(pool, { input: { ...input, width: 64, height: 48 }, outputs });
    assert.deepEqual(lost, ["memory", "memory"]);
    assert.deepEqual(result.ok ? null : [result.failure.code, result.failure.retry], ["corrupt_image", false]);
    assert.match(
      result.ok ? "" : result.failure.detail,
      /^The image has 64x48 pixels, and still takes more memory than an encoder's 40 MB/,
    );
  });

  test("starts the best priority first, and takes an aborted task back", async () => {
    const { pool } = startPool();
    const order: string[] = [];
    const abort = new AbortController();
    const named = async (name: string, priority: number, signal = never) =>
      encode(pool, task(), priority, signal).then(() => order.push(name));
    const all = [named("running", 0), named("in the pipe", 0), named("low", -9), named("high", -1)];
    const aborted = named("aborted", 5, abort.signal);
    abort.abort(new Error("no longer wanted"));
    await assert.rejects(aborted, /no longer wanted/);
    await Promise.all(all);
    assert.deepEqual(order, ["running", "in the pipe", "high", "low"]);
  });

  test("puts nothing into the pipe behind a large image, so that a better one comes next", async () => {
    const { pool } = startPool();
    const order: string[] = [];
    const [running, next] = [task(middling), task(small)];
    Object.assign(running.input, { width: 6_000, height: 4_000 });
    const named = async (name: string, given: EncodeTask, priority: number) => encode(pool, given, priority).then(() => order.push(name));
    await Promise.all([named("large", running, 0), named("next", next, 0), named("better", task(small), 1)]);
    assert.deepEqual(order, ["large", "better", "next"]);
  });

  test("takes back what waits behind an image that takes long, once another encoder has nothing to do", async () => {
    const { pool, lost } = startPool({ size: 2 });
    const order: string[] = [];
    const named = async (name: string, given: EncodeTask) => encode(pool, given).then(() => order.push(name));
    const slow = {
      ...task(),
      outputs: [
        { ...PRESETS.seed, name: "main", path: join(folder, "slow.avif"), format: "avif" as const, quality: 95, effort: "small" as const },
      ],
    };
    void named("long", slow);
    await Promise.all([named("beside it", task(small)), named("behind it", task(small)), named("behind the other", task(small))]);
    assert.ok(!order.includes("long"), "it was over before anything had to wait for it");
    assert.deepEqual([pool.waiting, lost], [0, []]);
    assert.ok((await encode(pool, task(small))).ok);
  });

  test("replaces an encoder after its share of tasks", async () => {
    const { pool, lost } = startPool({ tasksMax: 2 });
    const [before] = pool.pids;
    for (let index = 0; index < 5; index += 1) assert.ok((await encode(pool, task(small))).ok);
    assert.notEqual(pool.pids[0], before);
    assert.deepEqual(lost, []);
  });

  test("leaves no encoder behind when its parent is killed", async () => {
    const script = `import { EncoderPool } from ${JSON.stringify(new URL("../../../src/image/pool/encoder-pool.ts", import.meta.url).href)};
      const pool = new EncoderPool({ size: 2, pixelsMax: 1e8, allowSvg: false, taskMs: 1e5, memoryBytesMax: 1e9, tasksMax: 9, onLost() {} });
      for (const n of [1, 2]) void pool.encode({ input: { path: ${JSON.stringify(large)}, format: "jpeg", width: 1, height: 1, bytes: 1e9 }, outputs: [{ name: "main", path: ${JSON.stringify(folder)} + "/orphan" + n, format: "avif", quality: 50, fit: "inside", background: "#ffffff", metadata: "none", effort: "balanced" }] }, { signal: new AbortController().signal, priority: 0 });
      setTimeout(() => console.log(pool.pids.join(",")), 800);`;
    const parent = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const pids = line.toString().trim().split(",").map(Number);
    assert.equal(pids.length, 2);
    parent.kill("SIGKILL");
    await eventually("the encoders to be gone", async () => pids.every((pid) => !isAlive(pid)), 5_000);
  });
});
