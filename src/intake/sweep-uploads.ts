import type { Executor } from "../db/connect.ts";
import { listUnknownBatches } from "../db/batches.ts";

type SweepDeps = {
  executor: Executor;
  storage: {
    /** The ids of batches of which only the upload is there, unchanged for so long: some at a time, or none. */
    listUploads(idleMs: number): AsyncIterable<string[]>;
    removeUpload(batchId: string): Promise<void>;
  };
};

/** Longer than any upload takes to load: one without a batch by then was left by a process that died. */
const IDLE_MS = 2 * 3600 * 1_000;

/**
 * Removes uploads that never became a batch; returns their ids. A batch that has any other file keeps its upload even where the
 * database does not know it: it can belong to another database, which this folder was used with before.
 */
export async function sweepUploads({ executor, storage }: SweepDeps): Promise<string[]> {
  const gone: string[] = [];
  for await (const uploads of storage.listUploads(IDLE_MS)) {
    if (uploads.length === 0) continue;
    for (const batchId of await listUnknownBatches(executor, uploads)) {
      await storage.removeUpload(batchId);
      gone.push(batchId);
    }
  }
  return gone;
}
