/** What can be wrong with an uploaded file; each problem names the place and the way out. */
export const CSV_PROBLEM_CODES = [
  "empty_file",
  "wrong_file_type",
  "not_csv",
  "invalid_utf8",
  "invalid_utf16",
  "unpacked_too_large",
  "damaged_gzip",
  "missing_header",
  "no_image_column",
  "column_not_found",
  "duplicate_column",
  "no_products",
  "no_images",
  "unclosed_quote",
  "stray_quote",
  "row_too_long",
  "too_many_columns",
  "row_too_wide",
  "too_many_products",
  "too_many_images",
  "too_many_urls",
  "url_invalid",
  "product_invalid",
] as const;

export type CsvProblemCode = (typeof CSV_PROBLEM_CODES)[number];

export type CsvProblem = {
  /** Physical line of the file, 1-based; for products that came as JSON the number of the product. */
  line: number;
  /** The column's header, or null where the whole line or file is meant. */
  column: string | null;
  code: CsvProblemCode;
  /** Says what was expected, what came, and the way out. */
  message: string;
};

/** What may surprise about an upload that is accepted; the answer tells it. */
export const UPLOAD_WARNING_CODES = ["outputs_not_public", "links_expired", "links_expire_soon"] as const;

export type UploadWarning = {
  code: (typeof UPLOAD_WARNING_CODES)[number];
  message: string;
  /** The first line that the warning is about, and of how many images; absent where it is about the whole upload. */
  line?: number;
  images?: number;
};
