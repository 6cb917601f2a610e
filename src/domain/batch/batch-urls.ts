import type { PausedShare } from "./failure-budget.ts";

/** Where the public finds what belongs to a batch; the base has no slash at its end. */
export function statusUrl(publicUrl: string, batchId: string): string {
  return `${publicUrl}/getProcessingStatus/${batchId}`;
}

export function batchUrl(publicUrl: string, batchId: string): string {
  return `${publicUrl}/v1/batches/${batchId}`;
}

/** A POST to `resumeUrl` resumes this host and no other. */
export function viewPausedShare(
  { host, settled, failed, pausedAt, pauseReason, imagesHeld }: PausedShare,
  publicUrl: string,
  batchId: string,
) {
  const failedPercent = settled === 0 ? 0 : Number(((100 * failed) / settled).toFixed(2));
  return {
    host,
    settled,
    failed,
    failedPercent,
    pausedAt: pausedAt.toISOString(),
    pauseReason,
    imagesHeld,
    resumeUrl: `${batchUrl(publicUrl, batchId)}/resume?host=${encodeURIComponent(host)}`,
  };
}

export function outputUrl(publicUrl: string, token: string, fileName: string): string {
  return `${publicUrl}/outputs/${token}/${fileName}`;
}

export function resultCsvUrl(publicUrl: string, token: string): string {
  return outputUrl(publicUrl, token, RESULT_FILES.resultsCsv);
}

/** The files that the API serves beside a batch's outputs. */
export const RESULT_FILES = {
  resultsCsv: "results.csv",
  failuresCsv: "failures.csv",
  resultsJsonl: "results.jsonl",
  archive: "archive.zip",
} as const;
