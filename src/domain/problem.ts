/** Every error the API can answer with: its stable code, HTTP status and title (RFC 9457). */
export const PROBLEMS = {
  bad_request: { status: 400, title: "The request cannot be understood" },
  bad_multipart: { status: 400, title: "The multipart body cannot be read" },
  unauthorized: { status: 401, title: "A valid API key is needed" },
  forbidden_host: { status: 403, title: "The Host header names another site" },
  forbidden_origin: { status: 403, title: "The request comes from another site" },
  not_found: { status: 404, title: "There is nothing here" },
  batch_not_found: { status: 404, title: "There is no such request" },
  output_not_found: { status: 404, title: "There is no such output" },
  result_not_ready: { status: 404, title: "The result is not there yet" },
  method_not_allowed: { status: 405, title: "The method is not allowed here" },
  request_timeout: { status: 408, title: "The request took too long" },
  upload_too_large: { status: 413, title: "The upload is too large" },
  unsupported_media_type: { status: 415, title: "The media type is not supported" },
  range_not_satisfiable: { status: 416, title: "The range lies outside the file" },
  invalid_csv: { status: 422, title: "The CSV file has problems" },
  invalid_options: { status: 422, title: "The options are not valid" },
  invalid_webhook: { status: 422, title: "The webhook URL cannot be used" },
  file_missing: { status: 422, title: "The upload holds no file" },
  too_many_files: { status: 422, title: "The upload holds more than one file" },
  internal_error: { status: 500, title: "Something went wrong on our side" },
  unavailable: { status: 503, title: "The service cannot answer right now" },
  storage_full: { status: 507, title: "There is no room for the upload" },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;
