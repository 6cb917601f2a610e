import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { IMAGE_CODES } from "../../src/domain/image/image-code.ts";
import { PRESETS } from "../../src/domain/image/recipe.ts";
import { EncoderPool } from "../../src/image/pool/encoder-pool.ts";
import { inspectImage } from "../../src/image/inspect.ts";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestFolder } from "../support/folder.ts";
import { mutate } from "./mutate.ts";

const FORMATS = ["jpeg", "png", "webp", "avif", "gif", "tiff"] as const;
const MUTANTS_EACH = 1_000;
/** MUTANT=avif:123 makes that one alone, and tells what became of it. */
const REPLAY = process.env["MUTANT"]?.split(":");
const FIRST_SEED = 20_261_124;
/** Mutants of which a codec may die; each is worth a bug report to it. So far none has. */
const CRASHES_MAX = 3;
const LIMITS = { pixelsMax: 100_000_000, allowSvg: false };
/** Codes that inspecting and encoding may give; `encode_timed_out` is not among them. */
const CODES = new Set(
  Object.entries(IMAGE_CODES)
    .filter(([code, { stage }]) => (stage === "inspect" || stage === "encode") && code !== "encode_timed_out")
    .map(([code]) => code),
);

describe("mutants of images", { timeout: 120_000 }, () => {
  let folder: string;
  let pool: EncoderPool;
  const lost: string[] = [];
  /** What a reader should know of single mutants. */
  const told: string[] = [];
  const ends = new Map<string, Map<string, number>>();

  before(async () => {
    folder = await createTestFolder();
    pool = new EncoderPool({
      size: 2,
      ...LIMITS,
      taskMs: 10_000,
      memoryBytesMax: 512 * 1024 * 1024,
      tasksMax: 1_000,
      onLost: ({ why }) => lost.push(why),
    });
    onCleanup(() => pool.close());
    const sources = await Promise.all(
      FORMATS.map((format) => makeSamplePhoto({ width: 64, height: 48, seed: 5, format, isTransparent: format === "png" })),
    );
    const tasks = FORMATS.flatMap((format, at) =>
      Array.from({ length: MUTANTS_EACH }, (_, index) => ({ format, source: sources[at] ?? Buffer.alloc(0), seed: FIRST_SEED + index })),
    ).filter(({ format, seed }) => !REPLAY || (format === REPLAY[0] && seed === Number(REPLAY[1])));
    await inParallel(8, tasks, async ({ format, source, seed }) => {
      const end = await takeThrough(`${format}:${seed}`, mutate(source, sources, seed));
      const counts = ends.get(format) ?? new Map<string, number>();
      ends.set(format, counts.set(end, (counts.get(end) ?? 0) + 1));
    });
  });

  /** As process-image.ts does: look, encode, and clear away what failed. */
  const takeThrough = async (name: string, { bytes, how }: { bytes: Buffer; how: string }): Promise<string> => {
    const [input, output] = [join(folder, `${name}.in`), join(folder, `${name}.out`)];
    try {
      await writeFile(input, bytes);
      const inspected = await inspectImage({ head: bytes.subarray(0, 16 * 1024), path: input, bytes: bytes.length }, LIMITS);
      const result = inspected.ok
        ? await pool.encode(
            { input: { ...inspected.value, path: input, bytes: bytes.length }, outputs: [{ ...PRESETS.seed, name: "main", path: output }] },
            { signal: AbortSignal.timeout(60_000), priority: 0 },
          )
        : inspected;
      if (REPLAY) told.push(`MUTANT=${name} (${how}): ${JSON.stringify(result)}`);
      const end = result.ok ? "done" : result.failure.code;
      assert.ok(end === "done" || CODES.has(end), `MUTANT=${name} (${how}) ended with ${end}`);
      if (result.ok) assert.ok(await isWholeJpeg(output));
      if (end === "encoder_crashed") told.push(`MUTANT=${name} (${how}) crashed its encoder`);
      return end;
    } catch (error) {
      throw new Error(`MUTANT=${name} (${how}): ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    } finally {
      await Promise.all([input, output].map((path) => rm(path, { force: true })));
    }
  };

  test("are 6,000, and end as an image or with a code", { skip: REPLAY !== undefined }, () => {
    const count = [...ends.values()].flatMap((counts) => [...counts.values()]).reduce((sum, value) => sum + value, 0);
    assert.equal(count, 6_000);
    // Neither all harmless nor all hopeless: the decoders were reached.
    for (const [format, counts] of ends)
      for (const end of ["done", "corrupt_image"]) assert.ok((counts.get(end) ?? 0) >= 20, `${format}: ${JSON.stringify([...counts])}`);
  });

  test("make no encoder hang or outgrow its memory, and crash few", { skip: REPLAY !== undefined }, () => {
    const crashed = [...ends.values()].reduce((sum, counts) => sum + (counts.get("encoder_crashed") ?? 0), 0);
    assert.ok(crashed <= CRASHES_MAX, `${crashed} crashed`);
    assert.deepEqual(
      lost.filter((why) => why === "deadline" || why === "memory"),
      [],
    );
    // Each costs itself and the encoder of its second try, nothing else.
    assert.ok(lost.length <= 2 * crashed, lost.join());
  });

  test("leave no file, and the pool as it was", async (t) => {
    for (const line of told) t.diagnostic(line);
    assert.deepEqual(await readdir(folder), []);
    const photo = await makeSamplePhoto({ width: 64, height: 48, seed: 5, format: "jpeg" });
    assert.equal(await takeThrough("photo", { bytes: photo, how: "as it is" }), "done");
    assert.deepEqual([pool.size, pool.idle, pool.waiting], [2, 2, 0]);
  });
});

async function isWholeJpeg(path: string): Promise<boolean> {
  const file = await readFile(path);
  const inspected = await inspectImage({ head: file, path, bytes: file.length }, LIMITS);
  return inspected.ok && inspected.value.format === "jpeg" && file.readUInt16BE(file.length - 2) === 0xffd9;
}

async function inParallel<T>(count: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: count }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}
