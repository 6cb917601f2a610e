import { failureOf, type StageFailure } from "../domain/image/stage-result.ts";

const WITHHELD = " The headers given for this host are sent over https only, or to addresses that ALLOW_CIDRS names.";

/** What an answer other than 200 means for an image. */
export function statusFailure(status: number, retryAfterMs: number | undefined, more: { isWithheld: boolean }): StageFailure {
  return { ...meaningOf(status, retryAfterMs, more), httpStatus: status };
}

/** The one place where a status becomes an image's code (domain/image/image-code.ts). */
function meaningOf(status: number, retryAfterMs: number | undefined, { isWithheld }: { isWithheld: boolean }): StageFailure {
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  const got = `The server answered with status ${status}.`;
  switch (status) {
    case 401:
      return failureOf("unauthorized", got + (isWithheld ? WITHHELD : ""));
    case 403:
      return failureOf("forbidden", got + (isWithheld ? WITHHELD : ""));
    case 404:
    case 410:
      return failureOf("not_found", got);
    case 429:
      return failureOf("rate_limited", got, wait);
    case 408:
    case 425:
      return failureOf("server_error", got, wait);
    case 503:
      return failureOf("server_error", got, { ...wait, isBusy: true });
    default:
      return status >= 500 ? failureOf("server_error", got, wait) : failureOf("http_error", got);
  }
}
