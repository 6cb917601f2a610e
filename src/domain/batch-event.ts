import type { BatchOutcome, BatchStatus, EventType } from "./batch-state.ts";
import type { PausedShare } from "./failure-budget.ts";

/** A host whose share of a batch is paused, as status and events tell of it. */
export type PausedHostBody = {
  host: string;
  settled: number;
  failed: number;
  failedPercent: number;
  pausedAt: string;
  pauseReason: string;
  imagesHeld: number;
  resumeUrl: string;
};

export type BatchEventBody = {
  type: EventType;
  /** ISO 8601, when it happened. */
  timestamp: string;
  data: {
    requestId: string;
    status: BatchStatus;
    /** Null before the end. */
    outcome: BatchOutcome | null;
    run: number;
    fileName: string | null;
    metadata: Record<string, unknown>;
    progress: { total: number; completed: number; failed: number; skipped: number; reused: number };
    bytes: { input: number; output: number };
    pausedAt: string | null;
    pauseReason: string | null;
    /** In an event about one host's share: how that stood. */
    pausedHost: PausedHostBody | null;
    outputCsvUrl: string;
    statusUrl: string;
  };
};

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
): PausedHostBody {
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

export const RESULT_FILE_NAME = "results.csv";
/** The files that the API serves beside a batch's outputs. */
export const RESULT_FILES = {
  resultsCsv: RESULT_FILE_NAME,
  failuresCsv: "failures.csv",
  resultsJsonl: "results.jsonl",
  archive: "archive.zip",
} as const;
