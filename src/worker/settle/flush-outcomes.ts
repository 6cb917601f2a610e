import type { FreshOutput, Storage } from "../../storage/storage.ts";
import { decideFailure, type DecideDeps } from "../image/decide-failure.ts";
import { wasWorked, type ImageOutcome, type Worked } from "./settle-together.ts";

/**
 * Flushes the outputs of several images together: the file system writes its journal once for many files, where one
 * flush after the other took 1.5 to 1.9 times the CPU. An image whose files the disk would not take has not been done. Each that was stored
 * took as much longer for it: otherwise no stage would show that a disk is slow to flush.
 */
export async function flushOutcomes(
  { storage, ...deps }: DecideDeps & { storage: Pick<Storage, "flushOutputs"> },
  items: readonly ImageOutcome[],
): Promise<readonly ImageOutcome[]> {
  const files = items.flatMap((item, index) => outputsOf(item).map((place) => ({ place, index })));
  if (files.length === 0) return items;
  const startedAtMs = performance.now();
  const flushed = await storage.flushOutputs(files.map(({ place }) => place));
  const flushMs = Math.round(performance.now() - startedAtMs);
  const failures = new Map(flushed.flatMap((result, at) => (result.ok ? [] : [[files[at]?.index, result.failure] as const])));
  if (flushed.some(({ ok }, at) => ok && files[at]?.place.isLinked === false)) deps.disk.onStored();
  return Promise.all(
    items.map(async (given, index) => {
      if (!wasWorked(given)) return given;
      const item = given.outcome.kind === "done" ? withFlush(given, flushMs) : given;
      const failure = failures.get(index);
      return failure === undefined
        ? item
        : { ...item, outcome: await decideFailure(deps, { ...item.claim.data, attempt: item.attempt }, failure) };
    }),
  );
}

/** A reused image was not stored, and has no such time. */
function withFlush({ stageMs, ...item }: Worked, flushMs: number): Worked {
  return { ...item, stageMs: { ...stageMs, storeMs: stageMs.storeMs === null ? null : stageMs.storeMs + flushMs } };
}

function outputsOf({ claim, outcome }: ImageOutcome): FreshOutput[] {
  if (outcome.kind !== "done") return [];
  const { batchId, ordinal } = claim.data;
  return outcome.result.outputs.map(({ fileName }) => ({ batchId, ordinal, fileName, isLinked: outcome.result.isReused }));
}
