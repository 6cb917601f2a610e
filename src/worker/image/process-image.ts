import type { SourceFacts } from "../../db/settle-images.ts";
import { FORMAT_FILES, outputsOf } from "../../domain/image/recipe.ts";
import { outputFileName } from "../../domain/file-name.ts";
import { orTruncated } from "../../domain/or-truncated.ts";
import type { StageFailure, StageResult } from "../../domain/image/stage-result.ts";
import type { Encoded } from "../../image/pool/encode-result.ts";
import type { EncodeTask } from "../../image/encode/encode-task.ts";
import type { Download } from "../../net/download-order.ts";
import { fetchOrReuse } from "./fetch-or-reuse.ts";
import { placeConfirmed } from "./placed-outputs.ts";
import type { Lease } from "../claim/pump.ts";
import { NO_STAGE_MS, type Attempt, type ImageWork, type Processed, type Stages, type StoredOutput } from "./stages.ts";

/** One image, top to bottom: fetch, inspect, encode, store. Whatever happens, no temporary file stays. */
export async function processImage(
  given: Stages,
  work: ImageWork,
  { signal, confirm }: Pick<Lease, "signal" | "confirm">,
): Promise<Attempt> {
  const placed: Attempt["placed"] = [];
  const stages = placeConfirmed(given, placed, confirm);
  const attempt: Omit<Attempt, "result"> = { placed, source: null, stageMs: { ...NO_STAGE_MS } };
  const input = stages.tempPath();
  let outputs: EncodeTask["outputs"] = [];
  let isStored = false;
  const stop = (failure: StageFailure): Attempt => ({ ...attempt, result: { ok: false, failure } });
  try {
    const clock = createStopwatch();
    const fetched = await fetchOrReuse(stages, work, input, signal);
    attempt.stageMs.fetchMs = clock.lapMs();
    stages.onFetched(attempt.stageMs.fetchMs, fetched.ok);
    if (!fetched.ok) return stop(fetched.failure);
    if ("reused" in fetched.value) {
      isStored = true;
      return { ...attempt, result: { ok: true, value: { outputs: fetched.value.reused, isReused: true } }, source: fetched.value.source };
    }
    const source = sourceFacts(fetched.value);
    attempt.source = source;

    const inspected = orTruncated(await stages.inspect(fetched.value), fetched.value);
    if (!inspected.ok) return stop(inspected.failure);
    const { mediaType: sourceType, width: sourceWidth, height: sourceHeight } = inspected.value;
    attempt.source = { ...source, sourceType, sourceWidth, sourceHeight };

    outputs = outputsOf(work.recipe).map((settings) => ({ ...settings, path: stages.tempPath() }));
    const task = { input: { ...inspected.value, path: input, bytes: fetched.value.bytes }, outputs };
    const encoded = orTruncated(await stages.encode(task, { ...work, signal }), fetched.value);
    attempt.stageMs.encodeMs = encoded.ok ? Math.round(encoded.value.encodeMs) : clock.lapMs();
    if (!encoded.ok) return stop(encoded.failure);

    clock.lapMs();
    const stored = await store(stages, work, { input, extension: inspected.value.extension, encoded: encoded.value });
    attempt.stageMs.storeMs = clock.lapMs();
    isStored = stored.ok;
    return { ...attempt, result: stored };
  } finally {
    if (!isStored) await Promise.all([input, ...outputs.map(({ path }) => path)].map(stages.discard));
  }
}

async function store(
  stages: Stages,
  work: ImageWork,
  files: { input: string; extension: string; encoded: Encoded },
): Promise<StageResult<Processed>> {
  const outputs: StoredOutput[] = [];
  for (const { path, ...made } of files.encoded.outputs) {
    const fileName = outputFileName(work.stem, made.name, FORMAT_FILES[made.format].extension);
    const kept = await stages.keepOutput(path, { ...work, fileName });
    if (!kept.ok) return kept;
    outputs.push({ ...made, fileName });
  }
  const kept = await stages.keepInput(files.input, { ...work, extension: files.extension });
  return kept.ok ? { ok: true, value: { outputs, isReused: false } } : kept;
}

function sourceFacts(download: Download): SourceFacts {
  return {
    finalUrl: download.finalUrl,
    httpStatus: download.status,
    sourceType: download.contentType,
    sourceBytes: download.bytes,
    sha256: download.sha256,
    etag: download.etag,
    lastModified: download.lastModified,
    sourceWidth: null,
    sourceHeight: null,
  };
}

function createStopwatch(): { lapMs(): number } {
  let last = performance.now();
  return {
    lapMs() {
      const now = performance.now();
      const lap = Math.round(now - last);
      last = now;
      return lap;
    },
  };
}
