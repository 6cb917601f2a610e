/**
 * The codes an image can end with: the same words in the API, the result CSV, the webhook and SQL.
 * `retry` says whether trying again can help, unless the call that failed knows better (`failureOf` in stage-result.ts).
 */
export const IMAGE_CODES = {
  url_invalid: { stage: "intake", retry: false, message: "The URL is not an absolute http or https address." },
  address_blocked: {
    stage: "fetch",
    retry: false,
    message: "The address is not on the public internet; an operator can admit it with ALLOW_CIDRS.",
  },
  dns_failed: { stage: "fetch", retry: true, message: "The host name could not be resolved." },
  connect_failed: { stage: "fetch", retry: true, message: "No connection could be made, or it broke." },
  tls_failed: { stage: "fetch", retry: false, message: "The server's TLS certificate or handshake was not acceptable." },
  timed_out: { stage: "fetch", retry: true, message: "The server did not deliver the image in time." },
  not_found: { stage: "fetch", retry: false, message: "The server says that there is nothing at this URL." },
  unauthorized: { stage: "fetch", retry: false, message: "The server asks for credentials." },
  forbidden: { stage: "fetch", retry: false, message: "The server refuses access to this URL." },
  rate_limited: { stage: "fetch", retry: true, message: "The server asks us to slow down." },
  server_error: { stage: "fetch", retry: true, message: "The server failed to answer." },
  http_error: { stage: "fetch", retry: false, message: "The server gave an answer that is not an image and not an error we know." },
  too_many_redirects: { stage: "fetch", retry: false, message: "The URL redirects too often." },
  too_large: { stage: "fetch", retry: false, message: "The file is larger than the limit." },
  truncated: { stage: "fetch", retry: true, message: "The connection ended before the whole file had come." },
  html_page: { stage: "inspect", retry: false, message: "The URL leads to a web page, not to an image." },
  not_an_image: { stage: "inspect", retry: false, message: "The file is not an image." },
  unsupported_format: { stage: "inspect", retry: false, message: "The image is of a format that is not supported." },
  too_many_pixels: { stage: "inspect", retry: false, message: "The image has more pixels than the limit." },
  corrupt_image: { stage: "encode", retry: false, message: "The image is damaged and cannot be decoded." },
  encode_timed_out: { stage: "encode", retry: false, message: "The image took too long to compress." },
  encoder_crashed: { stage: "encode", retry: false, message: "The image made the encoder crash." },
  storage_failed: { stage: "store", retry: true, message: "The result could not be written." },
  cancelled: { stage: "settle", retry: false, message: "The batch was cancelled." },
} as const;

export type ImageCode = keyof typeof IMAGE_CODES;

export function isImageCode(value: unknown): value is ImageCode {
  return typeof value === "string" && Object.hasOwn(IMAGE_CODES, value);
}

const DENIALS: ReadonlySet<ImageCode> = new Set(["http_error", "unauthorized", "forbidden", "not_found"]);

/** Whether an origin has denied a request as it was made: another one for the same file may be answered. */
export function isDenied(code: ImageCode): boolean {
  return DENIALS.has(code);
}
