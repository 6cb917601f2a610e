/** The version of the views in schema `report`: within one no column is renamed, removed, or changed in type or meaning. */
export const REPORT_VERSION = 1;

type ReportShape = {
  /** The newest first; the same rows always come in the same order. */
  order: string;
  /** The column that `since` and `until` are about. */
  time: string;
  /** Whether its rows belong to one batch each. */
  hasBatch: boolean;
};

/** The views in schema `report` that can be fetched without SQL. */
export const REPORTS = {
  batches: { order: "batch_id desc", time: "created_at", hasBatch: true },
  products: { order: "batch_id desc, line", time: "batch_created_at", hasBatch: true },
  images: { order: "batch_id desc, ordinal", time: "batch_created_at", hasBatch: true },
  outputs: { order: "batch_id desc, ordinal, output_name", time: "batch_created_at", hasBatch: true },
  image_attempts: { order: "batch_id desc, ordinal, attempt", time: "batch_created_at", hasBatch: true },
  failures_by_code: { order: "batch_id desc, images desc, code", time: "batch_created_at", hasBatch: true },
  failures_by_host: { order: "batch_id desc, images_failed desc, host", time: "batch_created_at", hasBatch: true },
  throughput_hourly: { order: "hour desc", time: "hour", hasBatch: false },
  stage_seconds: {
    order: "batch_id desc, array_position(array['wait', 'fetch', 'encode', 'store'], stage)",
    time: "batch_created_at",
    hasBatch: true,
  },
  savings: { order: "batch_id desc", time: "batch_created_at", hasBatch: true },
  deliveries: { order: "event_id desc, endpoint_id", time: "created_at", hasBatch: true },
  delivery_attempts: { order: "event_id desc, endpoint_id, attempt", time: "attempted_at", hasBatch: true },
  backlog: { order: "batch_id desc", time: "created_at", hasBatch: true },
} as const satisfies Record<string, ReportShape>;

export type ReportName = keyof typeof REPORTS;
export const REPORT_NAMES = Object.keys(REPORTS) as ReportName[];
export const REPORT_FORMATS = ["csv", "json"] as const;
export const REPORT_LIMIT_MAX = 1_000_000;

/** A value as JSON has it: times are ISO 8601 in UTC, numbers are numbers. */
export type ReportCell = string | number | boolean | null | object;

/** Null: no such bound. The time `until` itself is not included. */
export type ReportFilter = { batchId: string | null; since: Date | null; until: Date | null; limit: number | null };

export function isReportName(text: string): text is ReportName {
  return Object.hasOwn(REPORTS, text);
}

const INSTANT = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/;
const HAS_ZONE = /(?:Z|[+-]\d\d:?\d\d)$/;

/** Parses a day (its beginning) or a time, in UTC unless it says otherwise; null for any other text. */
export function parseInstant(text: string): Date | null {
  if (!INSTANT.test(text)) return null;
  const day = text.slice(0, 10);
  const at = new Date(text === day || HAS_ZONE.test(text) ? text : `${text}Z`);
  // Date takes the 30th of February for the 2nd of March.
  const isReal = !Number.isNaN(at.getTime()) && new Date(day).toISOString().startsWith(day);
  return isReal ? at : null;
}

/** As parseInstant(), and `90m`, `24h` or `7d`: that long before now. */
export function parseAgoOrInstant(text: string, now: Date): Date | null {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  if (count === undefined) return parseInstant(text);
  const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as "m" | "h" | "d"];
  return new Date(now.getTime() - Number(count) * unitMs);
}

/** A row as JSON, under the names of its columns. */
export function jsonOfRow(columns: readonly string[], row: readonly ReportCell[]): string {
  return JSON.stringify(Object.fromEntries(columns.map((column, index) => [column, row[index]])));
}
