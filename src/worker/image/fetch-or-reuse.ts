import type { KnownSource } from "../../db/known-sources.ts";
import type { SourceFacts } from "../../db/settle-images.ts";
import { outputFileName } from "../../domain/file-name.ts";
import { inputExtension } from "../../domain/image/input-format.ts";
import { FORMAT_FILES } from "../../domain/image/recipe.ts";
import { succeeded, type StageResult } from "../../domain/image/stage-result.ts";
import type { Download, DownloadOrder } from "../../net/download-order.ts";
import type { ImageWork, Stages, StoredOutput } from "./stages.ts";

type Reused = { reused: StoredOutput[]; source: SourceFacts };
type FetchStages = Pick<Stages, "download" | "linkOutput" | "linkInput" | "keepInput">;

/**
 * Fetches an image, unless what an earlier batch made of it still holds: where its origin says that nothing has
 * changed, or sends the same bytes, the earlier outputs are linked. Where those are gone, it is fetched as new.
 */
export async function fetchOrReuse(
  stages: FetchStages,
  work: ImageWork,
  path: string,
  signal: AbortSignal,
): Promise<StageResult<Download | Reused>> {
  const { known, url } = work;
  if (known === null) return stages.download({ url, path, signal });
  const fetched = await stages.download({ url, path, signal, ...conditionOf(known.source) });
  if (!fetched.ok) return fetched;
  const isUnchanged = fetched.value.status === 304;
  if (!isUnchanged && fetched.value.sha256 !== known.source.sha256) return fetched;

  const linked = await linkOutputs(stages, work, known);
  if (!linked.ok) return linked;
  if (linked.value === null) return isUnchanged ? stages.download({ url, path, signal }) : fetched;
  const kept = await keepInput(stages, work, known, isUnchanged ? null : path);
  if (!kept.ok) return kept;
  return succeeded({ reused: linked.value, source: isUnchanged ? known.source : { ...known.source, ...whenceOf(fetched.value) } });
}

function conditionOf({ finalUrl, etag, lastModified }: SourceFacts): Pick<DownloadOrder, "validators"> {
  return etag === null && lastModified === null ? {} : { validators: { of: finalUrl, etag, lastModified } };
}

/** A tag or a date holds for the URL that gave it. */
function whenceOf({ finalUrl, status: httpStatus, etag, lastModified }: Download): Partial<SourceFacts> {
  return { finalUrl, httpStatus, etag, lastModified };
}

/** Null where the earlier files are not there any more, or not whole. */
async function linkOutputs(
  stages: FetchStages,
  { batchId, ordinal, stem }: ImageWork,
  known: KnownSource,
): Promise<StageResult<StoredOutput[] | null>> {
  const outputs: StoredOutput[] = [];
  for (const output of known.outputs) {
    const fileName = outputFileName(stem, output.name, FORMAT_FILES[output.format].extension);
    const linked = await stages.linkOutput({ ...known, fileName: output.fileName, bytes: output.bytes }, { batchId, ordinal, fileName });
    if (!linked.ok) return linked;
    if (!linked.value) return succeeded(null);
    outputs.push({ ...output, fileName, encodeMs: null });
  }
  return succeeded(outputs);
}

/** What was downloaded again is kept like any other input; what was not is linked, where it was kept then. */
async function keepInput(
  stages: FetchStages,
  { batchId, ordinal }: ImageWork,
  known: KnownSource,
  path: string | null,
): Promise<StageResult<unknown>> {
  const extension = inputExtension(known.source.sourceType);
  if (path !== null) return stages.keepInput(path, { batchId, ordinal, extension });
  return stages.linkInput({ ...known, extension }, { batchId, ordinal, extension });
}
