import { IMAGE_CODES, type ImageCode } from "./image-code.ts";

/** Why a stage could not do its part: an expected failure, a value and not an exception. */
export type StageFailure = {
  code: ImageCode;
  /** One sentence for people: what was expected and what came. Never holds secrets or a query string. */
  detail: string;
  retry: boolean;
  /** The status that the server answered with, where that is why. */
  httpStatus?: number;
  /** How long the far side asked us to wait (Retry-After), in milliseconds. */
  retryAfterMs?: number;
  /** What did not come in time had been waited for so long. */
  waitedMs?: number;
  /** The far side says that it has too much to do (503). */
  isBusy?: boolean;
  /** The request bore a condition, which may be what it failed for. */
  isOfCondition?: boolean;
  /** Its host had asked for patience before for this image. */
  isRefusedAgain?: boolean;
  /** Its host, which asked for patience and gives others, is asked for less at once, or less soon, from then on. */
  isPaced?: boolean;
  /** Its host asked for patience since it came sooner after another than that host bears: nothing is wrong with the image. */
  isTooSoon?: boolean;
  /** Nothing is wrong with the image: no further file or connection could be opened for it, as `error` says. */
  lack?: { of: "files" | "ports"; error: Error };
  /** Nor is it here: no bytes or inodes are left for its files, or a quota of them is used up. */
  isDiskFull?: boolean;
};

export type StageResult<T> = { ok: true; value: T } | { ok: false; failure: StageFailure };

export function succeeded<T>(value: T): StageResult<T> {
  return { ok: true, value };
}

type More = Partial<Pick<StageFailure, "retry" | "retryAfterMs" | "isBusy" | "lack" | "isDiskFull">>;

/** A failure whose retryability is that of its code (IMAGE_CODES), unless the call that failed knows better and says so. */
export function failureOf(code: ImageCode, detail: string = IMAGE_CODES[code].message, more: More = {}): StageFailure {
  return { code, detail, retry: IMAGE_CODES[code].retry, ...more };
}

/** The same as a stage's result. */
export function failed(...failure: Parameters<typeof failureOf>): { ok: false; failure: StageFailure } {
  return { ok: false, failure: failureOf(...failure) };
}
