import { PROBLEMS, type ProblemCode } from "../domain/problem.ts";

/** For the OpenAPI document: a detail that each problem could have, and `errors` where it has some. */
const DETAILS: Record<ProblemCode, string> = {
  bad_request: "Expected cursor as nextCursor gave it.",
  bad_multipart: "The connection ended before the whole form had come.",
  unauthorized: "Expected the header `Authorization: Bearer KEY` with one of the keys in API_KEYS.",
  forbidden_host:
    "Expected a Host of localhost, 127.0.0.1, [::1] or that of PUBLIC_URL. For a service that others reach set API_KEYS, and PUBLIC_URL to where they reach it.",
  forbidden_origin: "A web page of another site may not send this. Set API_KEYS and send a key if it is meant.",
  not_found: "There is no such route; /docs lists them.",
  batch_not_found: "Expected the batchId of an upload; this one is not known.",
  report_not_found:
    "Expected a report's name: batches, products, images, outputs, image_attempts, failures_by_code, failures_by_host, throughput_hourly, stage_seconds, savings, deliveries, delivery_attempts, backlog.",
  output_not_found: "Expected an output URL as status and result CSV give it.",
  output_lost:
    "The file of this output is missing or not whole. Upload the CSV again: what is still there is linked, the rest is made anew; or have the operator restore the file.",
  result_not_ready: "The results are there when all images are settled.",
  method_not_allowed: "Expected GET or HEAD here, got DELETE.",
  request_timeout: "The request did not come in time.",
  batch_not_paused: "Expected a batch that is paused, or of which a host is; this one is not (any more).",
  host_not_paused: 'Expected one of the hosts that are paused in this batch (pausedHosts lists them); "cdn.example" is not (any more).',
  batch_not_ended: "Expected a batch that has ended; cancel this one, and remove it when it has ended.",
  batch_ended: "Expected a batch with something left to try; all of this one is settled.",
  upload_in_progress: "An upload with this Idempotency-Key is being taken in; send it again in a few seconds.",
  precondition_failed: 'Expected a condition that "a3f1" meets; ask without it to get the file as it is.',
  upload_too_large: "Expected at most 1073741824 bytes (UPLOAD_BYTES_MAX); split the upload, or let the operator raise the limit.",
  unsupported_media_type: "Expected multipart/form-data with the CSV in the field `file`, or a text/csv body.",
  wrong_file_type: "Expected a CSV, got a ZIP archive; unpack it and upload the CSV in it.",
  range_not_satisfiable: "Expected a range within 31000 bytes.",
  headers_too_large: "Expected at most 16384 bytes of request line and headers, got more.",
  invalid_csv: "The CSV has 1 problem; it is listed in `errors`. Nothing was stored.",
  invalid_products: "1 product is not valid; `errors` lists each. Nothing was stored.",
  csv_url_failed: "The CSV at csvUrl could not be fetched (not_found): The server answered with status 404.",
  invalid_options: "quality: Expected a whole number from 1 to 100, got 0.",
  invalid_webhook: 'Expected an absolute http or https URL, got "shop.example".',
  idempotency_key_reused:
    "Expected the same file and options as in the upload that this Idempotency-Key came with first (batch 019abc12-3456-7def-8123-456789abcdef), got others. Send another upload under a key of its own.",
  file_missing: "Expected the CSV as a file in the field `file` (curl -F file=@products.csv), or as a text/csv body.",
  too_many_files: "Expected one file, in the field `file`; upload the others on their own.",
  internal_error: "The request could not be served; the operator finds the reason in the log.",
  unavailable: "The database cannot be reached right now; try again in a few seconds.",
  storage_full: "The disk of the service is full; try again when there is room.",
};

const ERRORS: Partial<Record<ProblemCode, object[]>> = {
  invalid_csv: [
    {
      line: 3,
      column: "Input Image Urls",
      code: "url_invalid",
      message: 'Expected an absolute http or https URL, got "mug.jpg". Correct it, or upload with onInvalid=skip.',
    },
  ],
  invalid_products: [{ line: 1, column: "images", code: "product_invalid", message: "Expected images as a list of URLs." }],
  csv_url_failed: [{ field: "csvUrl", message: "The server answered with status 404." }],
  invalid_options: [{ field: "quality", message: "Expected a whole number from 1 to 100, got 0." }],
  invalid_webhook: [{ field: "webhookUrl", message: 'Expected an absolute http or https URL, got "shop.example".' }],
};

/** Problems of paths and methods that the document does not have. */
const OF_NO_OPERATION: readonly ProblemCode[] = ["not_found", "method_not_allowed"];

export const PROBLEM_EXAMPLES = Object.fromEntries(
  (Object.keys(PROBLEMS) as ProblemCode[])
    .filter((code) => !OF_NO_OPERATION.includes(code))
    .map((code) => {
      const { status, title } = PROBLEMS[code];
      const errors = ERRORS[code];
      return [
        code,
        {
          summary: title,
          value: { type: "about:blank", title, status, detail: DETAILS[code], code, ...(errors && { errors, errorCount: errors.length }) },
        },
      ];
    }),
);
