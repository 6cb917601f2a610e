import http from "node:http";
import https from "node:https";
import got, { type OptionsInit, RequestError } from "got";
import type { AddressPolicy } from "../domain/url/address-policy.ts";
import { errorCode } from "../domain/error-code.ts";
import type { ImageCode } from "../domain/image/image-code.ts";
import { parseRetryAfterMs } from "../domain/load/retry-after.ts";
import { failureOf } from "../domain/image/stage-result.ts";
import { createGuard } from "../net/guarded-lookup.ts";
import { ADDRESS_MS } from "../net/http1/connection.ts";
import type { Resolve } from "../net/look-ups.ts";
import { netFailure } from "../net/net-failure.ts";
import { portOf } from "../net/port-of.ts";

type PostAnswer =
  | { ok: true; status: number; retryAfterMs?: number; durationMs: number }
  | { ok: false; code: ImageCode | "authorization_withheld"; detail: string; durationMs: number };

/** With an `authorization` nothing is sent where it could be read on the way. */
export type Post = (message: {
  url: string;
  headers: Record<string, string>;
  authorization: string | null;
  body: string;
  signal: AbortSignal;
}) => Promise<PostAnswer>;

/** Standard Webhooks recommends 15 to 30 s for a receiver to answer. */
export const ANSWER_MS = 20_000;

const WITHHELD = "The Authorization header is sent only over https, or to addresses that ALLOW_CIDRS names; nothing was sent.";

/** Sends through the same guard as downloads. Redirects are not followed: a receiver has one address. */
export function createPost(options: { policy: AddressPolicy; userAgent: string; resolve?: Resolve; answerMs?: number }): Post {
  const guard = createGuard(options);
  // Agents of our own: with NODE_USE_ENV_PROXY=1 Node's global ones send everything to a proxy, past the guard.
  const way = { autoSelectFamilyAttemptTimeout: ADDRESS_MS };
  const agents = { http: new http.Agent(way), https: new https.Agent(way) };
  return async ({ url, headers, authorization, body, signal }) => {
    const startedAt = performance.now();
    const durationMs = () => Math.round(performance.now() - startedAt);
    try {
      const target = new URL(url);
      const port = portOf(target);
      guard.checkLiteral(target.hostname, port);
      if (authorization !== null && !(await guard.mayCarrySecrets(target)))
        return { ok: false, code: "authorization_withheld", detail: WITHHELD, durationMs: durationMs() };
      const own = { "user-agent": options.userAgent, ...(authorization === null ? {} : { authorization }) };
      const stream = got.stream.post(url, {
        agent: agents,
        headers: { ...headers, ...own },
        body,
        signal,
        followRedirect: false,
        throwHttpErrors: false,
        retry: { limit: 0 },
        decompress: false,
        http2: false,
        timeout: { request: options.answerMs ?? ANSWER_MS },
        dnsLookup: guard.lookupFor(port) as NonNullable<OptionsInit["dnsLookup"]>,
      });
      const response = await new Promise<{ statusCode: number; headers: Record<string, string | string[] | undefined> }>(
        (resolve, reject) => {
          stream.once("response", resolve);
          stream.on("error", reject);
        },
      );
      // The status says everything: no byte of the body is read, however much a receiver sends.
      stream.destroy();
      const { "retry-after": retryAfter, date } = response.headers;
      const retryAfterMs = parseRetryAfterMs(firstOf(retryAfter), firstOf(date), Date.now());
      return { ok: true, status: response.statusCode, durationMs: durationMs(), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    } catch (error) {
      const { code, detail } = postFailure(error);
      return { ok: false, code, detail, durationMs: durationMs() };
    }
  };
}

function postFailure(error: unknown): { code: ImageCode; detail: string } {
  if (error instanceof RequestError && error.code === "ETIMEDOUT")
    return { code: "timed_out", detail: "The receiver did not answer in time." };
  const cause = error instanceof RequestError ? (error.cause ?? error) : error;
  return isParserError(cause) ? failureOf("http_error", `The server's answer is not HTTP (${cause.code}).`) : netFailure(cause);
}

/** What Node's parser, which got uses, cannot read; an answer that merely ends too early is no such fault. */
function isParserError(error: unknown): error is Error & { code: string } {
  const code = errorCode(error);
  return code.startsWith("HPE_") && code !== "HPE_INVALID_EOF_STATE";
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
