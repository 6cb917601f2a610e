import type { SourceHeaders } from "../../domain/secret/source-headers.ts";
import { failed, succeeded, type StageResult } from "../../domain/image/stage-result.ts";

export type SourceHeadersOf = (batchId: string) => Promise<StageResult<readonly SourceHeaders[]>>;

/** Batches whose headers are kept at hand, opened: those in progress with headers are few. */
const BATCHES_MAX = 100;

/**
 * The headers of a batch for its origins, read and opened once for all of its images. Those that cannot be opened end
 * the images with a reason: the batch was accepted by a process with another key.
 */
export function createSourceHeaders(deps: {
  find(batchId: string): Promise<string | null>;
  open: ((sealed: string, batchId: string) => SourceHeaders[] | null) | null;
}): SourceHeadersOf {
  const known = new Map<string, ReturnType<SourceHeadersOf>>();
  const read: SourceHeadersOf = async (batchId) => {
    const sealed = await deps.find(batchId);
    if (sealed === null) return succeeded([]);
    const opened = deps.open?.(sealed, batchId) ?? null;
    if (opened !== null) return succeeded(opened);
    return failed(
      "unauthorized",
      "The headers for this batch's origins were encrypted with another SECRET_KEY than this worker has. Give every process the same one, and upload the batch again.",
    );
  };
  return (batchId) => {
    const found = known.get(batchId);
    if (found) return found;
    if (known.size >= BATCHES_MAX) known.clear();
    const reading = read(batchId);
    known.set(batchId, reading);
    reading.catch(() => known.delete(batchId));
    return reading;
  };
}
