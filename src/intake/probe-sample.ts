import type { StageFailure, StageResult } from "../domain/image/stage-result.ts";

/** What is known of an image that was fetched and thrown away again. */
type ProbedImage = { bytes: number; megapixels: number };
/** Rejects only with the signal's reason. */
export type ProbeImage = (url: string, signal: AbortSignal) => Promise<StageResult<ProbedImage>>;
export type ProbeTrial = { url: string; ms: number; result: { ok: true; value: ProbedImage } | { ok: false; failure: StageFailure } };

/** For the whole probe, since the client waits for it: enough for the slowest answer that a batch would wait for (30 s), and its body. */
const PROBE_MS = 60_000;
/** Each puts a file of up to 50 MB on the disk for a moment. */
const PROBES_AT_ONCE = 16;

/**
 * Tries each image of a sample once, and tells what came of those that ended in time; `unfinished` counts the others.
 * @throws the signal's reason where it aborts.
 */
export async function probeSample(
  probe: ProbeImage,
  urls: readonly string[],
  signal: AbortSignal,
  timeMs = PROBE_MS,
): Promise<{ trials: ProbeTrial[]; unfinished: number }> {
  const trials: ProbeTrial[] = [];
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(timeMs)]);
  const waiting = urls.values();
  const work = async () => {
    for (const url of waiting) {
      const trial = inTime.aborted ? null : await tryOne(probe, url, inTime);
      if (trial) trials.push(trial);
    }
  };
  // All of them end before this does, so that nothing is written after the answer.
  const ended = await Promise.allSettled(Array.from({ length: Math.min(PROBES_AT_ONCE, urls.length) }, work));
  signal.throwIfAborted();
  for (const worker of ended) if (worker.status === "rejected") throw worker.reason;
  return { trials, unfinished: urls.length - trials.length };
}

async function tryOne(probe: ProbeImage, url: string, signal: AbortSignal): Promise<ProbeTrial | null> {
  const startedAt = performance.now();
  try {
    const result = await probe(url, signal);
    // Our own disk's fault says nothing about the image.
    if (!result.ok && result.failure.code === "storage_failed") return null;
    return { url, ms: performance.now() - startedAt, result };
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}
