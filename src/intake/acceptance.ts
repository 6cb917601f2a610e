import type { BatchRow } from "../db/batches.ts";
import type { CsvProblem, UploadWarning } from "../domain/batch/csv-problem.ts";

/** What became of an upload. `isReplay`: it was taken in before under its idempotency key; `batch` is that batch as it is now. */
export type Acceptance =
  | { ok: true; batch: BatchRow; warnings: UploadWarning[]; webhookSecret: string | null; isReplay: boolean }
  | { ok: false; kind: "csv"; problems: CsvProblem[]; problemCount: number }
  | { ok: false; kind: "option"; field: string; message: string }
  | { ok: false; kind: "webhook"; code: string; message: string }
  | { ok: false; kind: "key"; code: "idempotency_key_reused" | "upload_in_progress"; message: string };
