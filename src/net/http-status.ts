import { failed, type StageFailure } from "../domain/stage-result.ts";

/** What an answer other than 200 means for an image; the table of the design. */
export function statusFailure(status: number, retryAfterMs: number | undefined): StageFailure {
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  const got = `The server answered with status ${status}.`;
  switch (status) {
    case 401:
      return failed("unauthorized", got).failure;
    case 403:
      return failed("forbidden", got).failure;
    case 404:
    case 410:
      return failed("not_found", got).failure;
    case 429:
      return failed("rate_limited", got, wait).failure;
    case 408:
    case 425:
      return failed("server_error", got, wait).failure;
    default:
      return status >= 500 ? failed("server_error", got, wait).failure : failed("http_error", got).failure;
  }
}
