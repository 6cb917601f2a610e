/** What can be wrong with an uploaded file; each problem names the place and the way out. */
export const CSV_PROBLEM_CODES = [
  "empty_file", "not_csv", "invalid_utf8", "unsupported_encoding", "missing_column", "duplicate_column", "no_products",
  "unclosed_quote", "stray_quote", "row_too_long", "too_many_columns", "row_too_wide", "too_many_products", "too_many_images", "too_many_urls",
  "serial_missing", "name_missing", "url_missing", "url_invalid",
] as const;

export type CsvProblemCode = (typeof CSV_PROBLEM_CODES)[number];

export type CsvProblem = {
  /** Physical line of the file, 1-based. */
  line: number;
  /** The column's header, or null where the whole line or file is meant. */
  column: string | null;
  code: CsvProblemCode;
  /** Says what was expected, what came, and the way out. */
  message: string;
};
