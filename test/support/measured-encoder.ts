import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import type { StageResult } from "../../src/domain/image/stage-result.ts";
import { PRESETS, type Recipe } from "../../src/domain/image/recipe.ts";
import type { EncodeTask } from "../../src/image/encode/encode-task.ts";
import { inspectImage } from "../../src/image/inspect.ts";
import type { Encoded } from "../../src/image/pool/encode-result.ts";
import { encode, startPool } from "./encoder-pool.ts";

export const MIB = 1024 * 1024;

/** `peak`: the most that the encoder had in memory. */
export type Measured = { result: StageResult<Encoded>; peak: number; lost: string[]; task: EncodeTask };

/** Compresses one image, by the preset `seed` but for `recipe`, in an encoder of its own. */
export async function encodeMeasured(
  path: string,
  outputPath: string,
  recipe: Partial<Recipe>,
  memoryBytesMax = 4_096 * MIB,
): Promise<Measured> {
  const { size: bytes } = await stat(path);
  const inspected = await inspectImage(
    { head: Buffer.from((await readFile(path)).subarray(0, 16_384)), path, bytes },
    { pixelsMax: 1e8, allowSvg: false },
  );
  assert.ok(inspected.ok, JSON.stringify(inspected));
  const task = { input: { ...inspected.value, path, bytes }, outputs: [{ ...PRESETS.seed, ...recipe, name: "main", path: outputPath }] };
  const { pool, lost } = startPool({ taskMs: 60_000, memoryBytesMax, tasksMax: 9 });
  try {
    const result = await encode(pool, task);
    const status = await readFile(`/proc/${pool.pids[0]}/status`, "utf8");
    return { result, peak: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024, lost, task };
  } finally {
    await pool.close();
  }
}
