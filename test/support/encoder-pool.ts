import { statSync } from "node:fs";
import { join } from "node:path";
import { PRESETS } from "../../src/domain/image/recipe.ts";
import type { EncodeTask } from "../../src/image/encode/encode-task.ts";
import { EncoderPool, type EncoderPoolOptions } from "../../src/image/pool/encoder-pool.ts";
import { onCleanup } from "./cleanup.ts";

const MB = 1024 * 1024;
const never = new AbortController().signal;

/** One encoder, unless the options say otherwise. `lost` tells why each that was lost was. */
export function startPool(options: Partial<EncoderPoolOptions> = {}): { pool: EncoderPool; lost: string[] } {
  const lost: string[] = [];
  const pool = new EncoderPool({
    size: 1,
    pixelsMax: 1e8,
    allowSvg: false,
    taskMs: 20_000,
    memoryBytesMax: 512 * MB,
    tasksMax: 1_000,
    onLost: ({ why }) => lost.push(why),
    ...options,
  });
  onCleanup(() => pool.close());
  return { pool, lost };
}

let count = 0;

/** A JPEG by the preset `seed`, to a file of its own in `folder`. */
export function encodeTask(folder: string, inputPath: string): EncodeTask {
  return {
    input: { path: inputPath, format: "jpeg", width: 1, height: 1, bytes: statSync(inputPath, { throwIfNoEntry: false })?.size ?? 1 },
    outputs: [{ ...PRESETS.seed, name: "main", path: join(folder, `${(count += 1)}.jpg`) }],
  };
}

export const encode = (pool: EncoderPool, task: EncodeTask, priority = 0, signal = never) => pool.encode(task, { signal, priority });
