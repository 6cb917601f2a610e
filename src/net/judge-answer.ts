import { parseRetryAfterMs } from "../domain/retry-after.ts";
import { failed, type StageResult } from "../domain/stage-result.ts";
import type { Head } from "./http1/head.ts";
import { statusFailure } from "./http-status.ts";

export type Judgement =
  | { kind: "redirect"; to: URL | "invalid" }
  /** The 304 to a conditional request. */
  | { kind: "unchanged" }
  | { kind: "refused"; result: StageResult<never> }
  | { kind: "body" };

type Asked = {
  url: URL;
  /** The request bore validators. */
  isConditional: boolean;
  /** Headers of the batch's own were kept back from it. */
  isWithheld: boolean;
  bytesMax: number;
};

/** What an answer's head says of its body: whether there is one that is of use. */
export function judgeAnswer({ url, isConditional, isWithheld, bytesMax }: Asked, { status, headers }: Head): Judgement {
  const to = redirectTarget(status, headers.location, url);
  if (to) return { kind: "redirect", to };
  if (status === 304 && isConditional) return { kind: "unchanged" };
  const refused = (result: StageResult<never>) => ({ kind: "refused", result }) as const;
  if (status !== 200) {
    const retryAfterMs = parseRetryAfterMs(headers["retry-after"], Date.now());
    return refused({ ok: false, failure: statusFailure(status, retryAfterMs, { isWithheld }) });
  }
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding.toLowerCase() !== "identity")
    return refused(
      failed("http_error", `The server sent the image compressed (${encoding.slice(0, 20)}) although only identity was accepted.`),
    );
  if (Number(headers["content-length"] ?? 0) > bytesMax) return refused(tooLarge(bytesMax));
  return { kind: "body" };
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

function redirectTarget(status: number, location: string | undefined, from: URL): URL | "invalid" | null {
  if (!REDIRECTS.has(status) || location === undefined) return null;
  if (!URL.canParse(location, from.href)) return "invalid";
  const next = new URL(location, from);
  return (next.protocol === "http:" || next.protocol === "https:") && next.username === "" && next.password === "" ? next : "invalid";
}

export function tooLarge(bytesMax: number): StageResult<never> {
  return failed("too_large", `The file has more than the ${bytesMax} bytes that are allowed.`);
}
