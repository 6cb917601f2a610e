import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import sharp from "sharp";
import { readConfig } from "../../../src/config.ts";
import { OUTPUT_FORMATS, PRESETS } from "../../../src/domain/image/recipe.ts";
import { resultOf } from "../../../src/image/pool/encode-result.ts";
import type { EncodeTask } from "../../../src/image/encode/encode-task.ts";
import { EncoderPool, type EncoderPoolOptions } from "../../../src/image/pool/encoder-pool.ts";
import { makeSamplePhoto } from "../../../src/image/sample-photo.ts";
import { onCleanup } from "../../support/cleanup.ts";
import { eventually } from "../../support/eventually.ts";
import { createTestFolder } from "../../support/folder.ts";
import { blackTiff, gif } from "../../support/hostile-files.ts";
import { isAlive } from "../../support/processes.ts";

const never = new AbortController().signal;

describe("the encoder pool", { timeout: 60_000 }, () => {
  let folder: string;
  let large: string;
  let middling: string;
  let small: string;
  let count = 0;

  before(async () => {
    folder = await createTestFolder();
    large = join(folder, "large.jpg");
    middling = join(folder, "middling.jpg");
    small = join(folder, "small.jpg");
    await writeFile(large, await makeSamplePhoto({ width: 4000, height: 3000, seed: 1, format: "jpeg" }));
    await writeFile(middling, await makeSamplePhoto({ width: 2400, height: 1800, seed: 1, format: "jpeg" }));
    await writeFile(small, await makeSamplePhoto({ width: 64, height: 64, seed: 1, format: "jpeg" }));
  });

  const startPool = (options: Partial<EncoderPoolOptions> = {}): { pool: EncoderPool; lost: string[] } => {
    const lost: string[] = [];
    const pool = new EncoderPool({
      size: 1,
      pixelsMax: 1e8,
      allowSvg: false,
      taskMs: 20_000,
      memoryBytesMax: 512 * 1024 * 1024,
      tasksMax: 1_000,
      onLost: ({ why }) => lost.push(why),
      ...options,
    });
    onCleanup(() => pool.close());
    return { pool, lost };
  };
  const task = (inputPath = large): EncodeTask => ({
    input: { path: inputPath, format: "jpeg", width: 1, height: 1, bytes: statSync(inputPath, { throwIfNoEntry: false })?.size ?? 1 },
    outputs: [{ ...PRESETS.seed, name: "main", path: join(folder, `${(count += 1)}.jpg`) }],
  });
  const encode = (pool: EncoderPool, given = task(), priority = 0, signal = never) => pool.encode(given, { signal, priority });

  test("compresses to the path it was given", async () => {
    const given = task();
    const result = await encode(startPool().pool, given);
    assert.ok(result.ok);
    assert.deepEqual([result.value.outputs[0]?.width, result.value.outputs[0]?.height], [4000, 3000]);
    assert.equal((await readFile(given.outputs[0]?.path ?? "")).length, result.value.outputs[0]?.bytes);
  });

  test("has the memory for a turned image of 100 megapixels", async () => {
    const path = join(folder, "huge.jpg");
    await sharp({ create: { width: 12_500, height: 8_000, channels: 3, background: "#884422" } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toFile(path);
    const { pool, lost } = startPool({ memoryBytesMax: readConfig({}).encoderMemoryBytes });
    const given = task(path);
    const result = await encode(pool, { ...given, input: { ...given.input, width: 12_500, height: 8_000 } });
    assert.deepEqual(lost, []);
    assert.ok(result.ok);
    assert.deepEqual([result.value.outputs[0]?.width, result.value.outputs[0]?.height], [8_000, 12_500]);
  });

  test("says how many pixels are allowed where more come to light than the header told", async () => {
    const result = await encode(startPool({ pixelsMax: 2e6 }).pool);
    assert.deepEqual(result.ok ? null : [result.failure.code, result.failure.detail], [
      "too_many_pixels",
      "Decoded, the image has more than the 2 megapixels that are allowed.",
    ]);
  });

  test("says of an image that is too long for a format's files so, and not that it is damaged", async () => {
    const path = join(folder, "long.png");
    const side = 65_501;
    await sharp({ create: { width: 2, height: side, channels: 3, background: "#884422" } }).toFile(path);
    const { pool } = startPool();
    for (const [format, most] of [
      ["webp", 16_383],
      ["avif", 16_384],
      ["jpeg", 65_500],
    ] as const) {
      const input = { path, format: "png" as const, width: 2, height: side, bytes: 1_000 };
      const to = (box: object) => ({
        input,
        outputs: [{ ...PRESETS.seed, format, name: "main", path: join(folder, `long.${format}`), ...box }],
      });
      const result = await encode(pool, to({}));
      assert.ok(!result.ok);
      assert.equal(result.failure.code, "too_many_pixels");
      assert.match(result.failure.detail, new RegExp(`side of ${side} pixels; ${format.toUpperCase()} holds at most ${most}\\.`));
      assert.ok((await encode(pool, to({ height: 16_383 }))).ok, "what the message says helps");
    }
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

  test("calls a damaged file corrupt, whatever its headers say", async () => {
    const { pool, lost } = startPool();
    for (const format of ["jpeg", "png", "webp", "avif", "gif", "tiff"] as const) {
      const whole = await makeSamplePhoto({ width: 200, height: 150, seed: 5, format });
      const path = join(folder, `cut.${format}`);
      await writeFile(path, whole.subarray(0, Math.floor(whole.length / 2)));
      const result = await encode(pool, task(path));
      assert.equal(result.ok ? null : result.failure.code, "corrupt_image", format);
    }
    assert.deepEqual(lost, []);
  });

  test("calls a damaged file corrupt whatever is to be made of it", async () => {
    const { pool } = startPool();
    const path = join(folder, "cut.jpg");
    const whole = await makeSamplePhoto({ width: 200, height: 150, seed: 5, format: "jpeg" });
    await writeFile(path, whole.subarray(0, Math.floor(whole.length / 2)));
    for (const format of OUTPUT_FORMATS) {
      const given = task(path);
      const result = await encode(pool, { ...given, outputs: given.outputs.map((output) => ({ ...output, format })) });
      const { code, detail = "" } = result.ok ? { code: null } : result.failure;
      assert.equal(code, "corrupt_image", format);
      assert.equal(detail, "The image is damaged and cannot be decoded (VipsJpeg: premature end of JPEG image).");
    }
  });

  test("does not call damaged what the disk does not give any more, be it all of it or its end", async () => {
    const { pool } = startPool();
    const path = join(folder, "lost.jpg");
    const whole = await makeSamplePhoto({ width: 200, height: 150, seed: 5, format: "jpeg" });
    await writeFile(path, whole);
    const cut = task(path);
    await writeFile(path, whole.subarray(0, Math.floor(whole.length / 2)));
    for (const given of [cut, task(join(folder, "missing.jpg"))]) {
      const result = await encode(pool, given);
      const { code, detail, retry } = result.ok ? {} : result.failure;
      assert.deepEqual({ code, detail, retry }, { code: "storage_failed", detail: "The downloaded image could not be read.", retry: true });
    }
  });

  test("does not call damaged what is whole and coded in a way that nothing here reads", async () => {
    const { pool } = startPool();
    const path = join(folder, "odd");
    const whole = await makeSamplePhoto({ width: 200, height: 150, seed: 5, format: "jpeg" });
    const frame = whole.indexOf(Buffer.from([0xff, 0xc0]));
    const of12Bits = Buffer.from(whole).fill(12, frame + 4, frame + 5);
    const differential = Buffer.from(whole).fill(0xc5, frame + 1, frame + 2);
    const tooLong = Buffer.from(whole);
    tooLong.writeUInt16BE(65_501, frame + 5);
    const tiff = await sharp(whole).tiff({ compression: "none" }).toBuffer();
    // TIFF 6.0, section 8: tag 259 as a SHORT, which says how the pixels are compressed.
    const tag = tiff.indexOf(Buffer.from([0x03, 0x01, 3, 0, 1, 0, 0, 0, 1, 0]));
    const [zstandard, jpeg2000] = [50_000, 34_712].map((scheme) => {
      const bytes = Buffer.from(tiff);
      bytes.writeUInt16LE(scheme, tag + 8);
      return bytes;
    });
    // libvips lets libtiff have 50 MiB, of which a strip of nearly as much leaves "No space for" what else it takes: no disk is full.
    const inOneStrip = blackTiff({ width: 5000, height: 3495, isStored: true });
    const jpegs = [of12Bits, differential, tooLong].map((bytes) => ({ format: "jpeg" as const, bytes }));
    const tiffs = [zstandard, jpeg2000, inOneStrip].map((bytes) => ({ format: "tiff" as const, bytes }));
    for (const { format, bytes } of [...jpegs, ...tiffs]) {
      await writeFile(path, bytes ?? "");
      const given = task(path);
      const result = await encode(pool, { ...given, input: { ...given.input, format } });
      assert.equal(result.ok ? null : result.failure.code, "unsupported_format");
      assert.match(result.ok ? "" : (result.failure.detail ?? ""), /^The image is coded in a way that is not supported \(.+\)\.$/);
    }
  });

  test("takes an error that the disk gives for no damage, whatever is to be made", { skip: !existsSync("/proc/self/mem") }, async () => {
    const size = { width: 1800, height: 1200 };
    const path = join(folder, "erring.jpg");
    await writeFile(path, await makeSamplePhoto({ ...size, seed: 6, format: "jpeg" }));
    const { pool } = startPool();
    // EIO, and a file that cannot be opened.
    for (const output of ["/proc/self/mem", join(folder, "no such folder", "out")])
      for (const format of OUTPUT_FORMATS) {
        const { input } = task(path);
        const outputs = [{ ...PRESETS.seed, name: "main", format, path: output, effort: "fast" } as const];
        const result = await encode(pool, { input: { ...input, ...size }, outputs });
        const { code, isDiskFull, retry } = result.ok ? {} : result.failure;
        assert.deepEqual({ code, isDiskFull, retry }, { code: "storage_failed", isDiskFull: false, retry: true }, `${format} to ${output}`);
      }
  });

  test("knows that the disk is full whatever is to be made", { skip: !existsSync("/dev/full") }, async () => {
    // So large that libvips itself writes the file, piece by piece.
    const size = { width: 1800, height: 1200 };
    const path = join(folder, "piecewise.jpg");
    await writeFile(path, await makeSamplePhoto({ ...size, seed: 6, format: "jpeg" }));
    const { pool } = startPool();
    for (const format of OUTPUT_FORMATS) {
      const { input } = task(path);
      const output = { ...PRESETS.seed, name: "main", format, path: "/dev/full", effort: "fast" } as const;
      const result = await encode(pool, { input: { ...input, ...size }, outputs: [output] });
      assert.deepEqual(result.ok ? null : [result.failure.code, result.failure.isDiskFull], ["storage_failed", true], format);
    }
  });

  test("tells nothing of where files lie, whatever their folder is called", () => {
    const given = task(join(folder, "a folder", "with  blanks.jpg"));
    const fault = `Input file is missing: ${given.input.path}`;
    const result = resultOf({ id: 1, encodeMs: 1, fault, kind: "image" }, given);
    assert.equal(result.ok ? null : result.failure.detail, "The image is damaged and cannot be decoded (Input file is missing: …).");
  });

  test("opens nothing but the formats it is for", async () => {
    const path = join(folder, "drawing.jpg");
    await writeFile(path, '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10"/></svg>');
    const result = await encode(startPool().pool, task(path));
    assert.equal(result.ok ? null : result.failure.code, "corrupt_image");
  });

  test("takes the first frame of an animation and converts CMYK to sRGB", async () => {
    const { pool } = startPool();
    const frame = (shade: number) => ({ create: { width: 40, height: 30, channels: 3 as const, background: { r: shade, g: 0, b: 0 } } });
    const animated = join(folder, "animated.gif");
    await sharp([await sharp(frame(250)).png().toBuffer(), await sharp(frame(10)).png().toBuffer()], { join: { animated: true } })
      .gif({ delay: [100, 100] })
      .toFile(animated);
    const cmyk = join(folder, "cmyk.jpg");
    await sharp(frame(200)).toColourspace("cmyk").jpeg().toFile(cmyk);
    for (const path of [animated, cmyk]) {
      const given = task(path);
      assert.ok((await encode(pool, given)).ok, path);
      const { width, height, space, pages } = await sharp(given.outputs[0]?.path).metadata();
      assert.deepEqual({ width, height, space, pages }, { width: 40, height: 30, space: "srgb", pages: undefined });
    }
  });

  test("reads a GIF from memory, whose first frame leaves some of its screen free", async () => {
    const { pool } = startPool();
    const given = task(join(folder, "free.gif"));
    const file = gif({ screen: [40, 30], frame: [20, 10] });
    await writeFile(given.input.path, file);
    const input: EncodeTask["input"] = { ...given.input, format: "gif", width: 40, height: 30, bytes: file.length, isPartlyCovered: true };
    const result = await encode(pool, { ...given, input });
    assert.ok(result.ok, JSON.stringify(result));
    const { width, height } = await sharp(given.outputs[0]?.path).metadata();
    assert.deepEqual([width, height], [40, 30]);
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
