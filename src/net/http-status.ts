import { failed, type StageFailure } from "../domain/stage-result.ts";

const WITHHELD = " The headers given for this host are sent over https only, or to addresses that ALLOW_CIDRS names.";

/** What an answer other than 200 means for an image. */
export function statusFailure(status: number, retryAfterMs: number | undefined, more: { isWithheld: boolean }): StageFailure {
  return { ...meaningOf(status, retryAfterMs, more), httpStatus: status };
}

/** The one place where a status becomes an image's code (domain/image-code.ts). */
function meaningOf(status: number, retryAfterMs: number | undefined, { isWithheld }: { isWithheld: boolean }): StageFailure {
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  const got = `The server answered with status ${status}.`;
  switch (status) {
    case 401:
      return failed("unauthorized", got + (isWithheld ? WITHHELD : "")).failure;
    case 403:
      return failed("forbidden", got + (isWithheld ? WITHHELD : "")).failure;
    case 404:
    case 410:
      return failed("not_found", got).failure;
    case 429:
      return failed("rate_limited", got, wait).failure;
    case 408:
    case 425:
      return failed("server_error", got, wait).failure;
    case 503:
      return failed("server_error", got, { ...wait, isBusy: true }).failure;
    default:
      return status >= 500 ? failed("server_error", got, wait).failure : failed("http_error", got).failure;
  }
}
