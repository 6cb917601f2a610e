import { isUtf8 } from "node:buffer";
import { isDenied } from "../domain/image/image-code.ts";
import { findExpiry } from "../domain/url/link-expiry.ts";
import { parseRetryAfterMs } from "../domain/load/retry-after.ts";
import { failed, type StageResult } from "../domain/image/stage-result.ts";
import { trimBlanks } from "./http1/grammar.ts";
import type { Head } from "./http1/head.ts";
import type { Validators } from "./request-headers.ts";
import { statusFailure } from "./http-status.ts";
import { isCoding, type Coding } from "./unpack-body.ts";

type Judgement =
  | { kind: "redirect"; to: URL | BadRedirect }
  /** The 304 to a conditional request, of the very file that it named. */
  | { kind: "unchanged" }
  | { kind: "refused"; result: StageResult<never> }
  /** It has to be unpacked where there is a coding. */
  | { kind: "body"; coding: Coding | null };

/** A redirect that is not followed; the message says why. */
export class BadRedirect extends Error {}

type Asked = {
  url: URL;
  /** What the request bore. */
  validators: Validators | null;
  /** Headers of the batch's own were kept back from it. */
  isWithheld: boolean;
  bytesMax: number;
  /** Content codings that the body may keep: whoever asked unpacks it. */
  codingsTaken: readonly string[];
};

/** What an answer's head says of its body: whether there is one that is of use. */
export function judgeAnswer({ url, validators, isWithheld, bytesMax, codingsTaken }: Asked, { status, headers }: Head): Judgement {
  const to = redirectTarget(status, headers.location, url);
  if (to) return { kind: "redirect", to };
  if (status === 304 && validators !== null && isOfOurs(headers, validators)) return { kind: "unchanged" };
  const refused = (result: StageResult<never>) => ({ kind: "refused", result }) as const;
  // 203 is a 200 that a proxy has changed (RFC 9110 §15.3.4).
  if (status !== 200 && status !== 203 && !(status === 206 && isWhole(headers["content-range"]))) {
    const retryAfterMs = parseRetryAfterMs(headers["retry-after"], headers.date, Date.now());
    return refused({ ok: false, failure: statusFailure(status, retryAfterMs, { isWithheld }) });
  }
  const codings = codingsOf(headers["content-encoding"]).filter((name) => COMPRESSIONS.has(name));
  const [coding = null] = codings;
  const isTaken = coding === null || (codings.length === 1 && codingsTaken.includes(coding));
  if (!isTaken && (codings.length > 1 || !isCoding(coding)))
    return refused(
      failed(
        "http_error",
        `The server sent the file compressed (Content-Encoding: ${codings.join(", ")}) although only identity was accepted.`,
      ),
    );
  if (Number(headers["content-length"] ?? 0) > bytesMax) return refused(tooLarge(bytesMax));
  return { kind: "body", coding: isTaken || !isCoding(coding) ? null : coding };
}

/** Some caches answer with a part, which nobody asked for, and it is all there is. */
function isWhole(range: string | undefined): boolean {
  return wholeLength(range) !== null;
}

/** How long a file is that comes as one part; null where it is no more than a part of it. */
function wholeLength(range: string | undefined): number | null {
  const [, last, length] = /^bytes 0-(\d+)\/(\d+)$/.exec(range ?? "") ?? [];
  return length !== undefined && Number(last) + 1 === Number(length) ? Number(length) : null;
}

/**
 * The failure of a part that brought fewer bytes than the whole that it says it is: by a Content-Length of its own, in chunks, or up to the
 * end of its connection. For what came as it is only; where it has to be unpacked, that tells whether it is whole.
 */
export function findShortPart({ status, headers }: Head, bytes: number): StageResult<never> | null {
  const length = status === 206 ? wholeLength(headers["content-range"]) : null;
  if (length === null || bytes >= length) return null;
  return failed("truncated", `The server says that it sends all of the ${length} bytes of the file, and sent ${bytes}.`);
}

/** Other words stand there by mistake, such as the charset `utf-8` or S3's `aws-chunked`: the body is as it is. */
const COMPRESSIONS = new Set(["gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb", "dcz"]);

function codingsOf(header: string | undefined): string[] {
  return header?.toLowerCase().split(",").map(trimBlanks) ?? [];
}

/**
 * A 304 with another tag or date says that the origin has another file than ours, by whichever condition it came (RFC 9111 §4.3.4): an
 * older file that was put back is unmodified since the date of ours too. The tag decides where both have one. Many have neither.
 */
function isOfOurs({ etag, "last-modified": date }: Head["headers"], asked: Validators): boolean {
  const opaque = (tag: string) => tag.replace(/^W\//, "");
  if (etag !== undefined && asked.etag !== null) return opaque(etag) === opaque(asked.etag);
  return date === undefined || asked.lastModified === null || isSameDate(date, asked.lastModified);
}

/** As a date where both are one. Some servers write theirs in a form of their own, and go by its text. */
function isSameDate(one: string, other: string): boolean {
  return one === other || Date.parse(one) === Date.parse(other);
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

function redirectTarget(status: number, header: string | undefined, from: URL): URL | BadRedirect | null {
  if (!REDIRECTS.has(status) || header === undefined) return null;
  const location = readLocation(header);
  if (location === "") return new BadRedirect("The server redirects, and does not say where to.");
  const next = URL.canParse(location, from.href) ? new URL(location, from) : null;
  if (next === null || (next.protocol !== "http:" && next.protocol !== "https:"))
    return new BadRedirect("The server redirects to something that is not an http or https URL.");
  if (next.username !== "" || next.password !== "")
    return new BadRedirect("The server redirects to a URL with a user name or password in it, which is not followed.");
  return next;
}

/**
 * A head is read as Latin-1, byte by byte; many servers write a path into it as UTF-8, and browsers and curl take it for that. What is
 * no UTF-8 is asked for by the same bytes.
 */
function readLocation(header: string): string {
  const bytes = Buffer.from(header, "latin1");
  return isUtf8(bytes) ? bytes.toString() : header.replaceAll(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`);
}

export function tooLarge(bytesMax: number): StageResult<never> {
  return failed("too_large", `The file has more than the ${bytesMax} bytes that are allowed.`);
}

/** The connection ended within the body of the answer with this head. */
export function truncated(head: Head | undefined): StageResult<never> {
  const announced = head?.headers["content-length"];
  return failed(
    "truncated",
    `The connection ended before ${announced === undefined ? "the whole file" : `the ${announced} bytes of the file`} had come.`,
  );
}

/**
 * Marks what a request with a condition may have failed for its condition alone: some servers answer 500 to one, or end the connection. Who
 * asked asks again without it at once, and how that ends says how the host is. One that names its reason has another one.
 */
export function orOfCondition<T>(result: StageResult<T>): StageResult<T> {
  if (result.ok) return result;
  const { code, isBusy, retryAfterMs } = result.failure;
  const isOfCondition = code === "connect_failed" || (code === "server_error" && isBusy !== true && retryAfterMs === undefined);
  return isOfCondition ? { ok: false, failure: { ...result.failure, isOfCondition } } : result;
}

/** A URL that expired while it waited for room at its host is refused, and the next attempt is given another one. */
export function orAgain<T>(result: StageResult<T>): StageResult<T> {
  return result.ok || !isDenied(result.failure.code) ? result : { ok: false, failure: { ...result.failure, retry: true } };
}

/** How hosts refuse a link that has expired: S3, Azure and CloudFront by 403, Google by 400 (`ExpiredToken`), Cloudinary by 401. */
const EXPIRED = new Set([400, 401, 403]);

/**
 * Says so where the link of the file has expired by its own parameters: the answer's body, which has it in each host's words, is not read.
 * Where a redirect led to a link for a time, nobody could export a fresh one of that.
 */
export function orExpired<T>(result: StageResult<T>, link: URL, nowMs: number): StageResult<T> {
  if (result.ok || !EXPIRED.has(result.failure.httpStatus ?? 0)) return result;
  const expiry = findExpiry(link.href);
  if (expiry === null || expiry.getTime() > nowMs) return result;
  const detail = `${result.failure.detail} The link expired at ${expiry.toISOString()}; export the file again for fresh links.`;
  return { ok: false, failure: { ...result.failure, detail } };
}
