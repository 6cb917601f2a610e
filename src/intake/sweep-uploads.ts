import { setTimeout as delay } from "node:timers/promises";
import type { Executor } from "../db/connection/connect.ts";
import { listUnknownBatches } from "../db/batches.ts";
import type { Warn } from "../observe/calm-warn.ts";

type SweepDeps = {
  executor: Executor;
  storage: {
    /** The ids of batches of which only the upload is there, unchanged for so long: some at a time, or none. */
    listUploads(idleMs: number): AsyncIterable<string[]>;
    removeUpload(batchId: string): Promise<void>;
  };
  warn: Warn;
  /** Aborted when the stop begins: what is left then, the next start removes. */
  signal: AbortSignal;
};

/** Longer than any upload takes to load: one without a batch by then was left by a process that died. */
const IDLE_MS = 2 * 3600 * 1_000;
/** Its next step is some milliseconds away; a disk that hangs does not hold up the stop. */
const STOP_MS = 1_000;

/** Sweeps beside the service that has just started, which with half a million batches takes seconds. */
export function startUploadSweep(deps: SweepDeps): { stop(): Promise<void> } {
  const sweeping = sweepUploads(deps);
  return {
    async stop() {
      await Promise.race([sweeping, delay(STOP_MS, undefined, { ref: false })]);
    },
  };
}

/**
 * Removes uploads that never became a batch; returns their ids. A batch that has any other file keeps its upload even where the
 * database does not know it: it can belong to another database, which this folder was used with before. That the disk or the database
 * is away, or a folder cannot be removed, ends nothing; it is said once.
 */
export async function sweepUploads({ executor, storage, warn, signal }: SweepDeps): Promise<string[]> {
  const gone: string[] = [];
  let isSaid = false;
  const warnOnce = (error: unknown) => {
    if (!isSaid && !signal.aborted) warn(error, "uploads that never became a batch cannot be removed");
    isSaid = true;
  };
  try {
    for await (const uploads of storage.listUploads(IDLE_MS)) {
      if (signal.aborted) break;
      const unknown = uploads.length > 0 ? await listUnknownBatches(executor, uploads) : [];
      for (const batchId of unknown) {
        if (signal.aborted) break;
        await storage.removeUpload(batchId).then(() => gone.push(batchId), warnOnce);
      }
    }
  } catch (error) {
    warnOnce(error);
  }
  return gone;
}
