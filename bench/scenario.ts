import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Accepted } from "../src/contract/upload.ts";
import { printMachine } from "./machine.ts";
import { startPressrun, type Running } from "./service.ts";

/** A fresh Pressrun for a measurement, gone when it is done; prints on what it ran. */
export async function withPressrun(measure: (service: Running) => Promise<void>, env: Record<string, string> = {}): Promise<void> {
  printMachine();
  const dataDir = await mkdtemp(join(tmpdir(), "pressrun-bench-"));
  try {
    const service = await startPressrun(dataDir, env);
    try {
      await measure(service);
    } finally {
      await service.close();
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

export async function untilEnded(service: Running, batch: Accepted, everyMs: number): Promise<void> {
  while ((await service.status(batch)).finishedAt === null) await delay(everyMs);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
