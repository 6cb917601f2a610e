import { rm } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import type { AddressPolicy } from "../domain/address-policy.ts";
import { parseRetryAfterMs } from "../domain/retry-after.ts";
import { headersFor, type SourceHeaders } from "../domain/source-headers.ts";
import { failed, succeeded, type StageResult } from "../domain/stage-result.ts";
import { BodyFile, type SparePieces } from "./body-file.ts";
import { createGuard, unbracket, type Guard, type Resolve } from "./guarded-lookup.ts";
import { createHostGate } from "./host-gate.ts";
import { HostPaused, NO_WATCH, type HostWatch } from "./host-watch.ts";
import { startDeadlines, type Deadlines, type DownloadLimits } from "./deadlines.ts";
import { statusFailure } from "./http-status.ts";
import { isProtocolError, netFailure } from "./net-failure.ts";

export type Download = {
  path: string; bytes: number; sha256: string; finalUrl: string; status: number;
  contentType: string | null; etag: string | null; lastModified: string | null;
  /** The whole body where it was gathered in memory, else its beginning. */
  head: Buffer;
};

export type DownloadRequest = {
  url: string;
  /** Written whole or removed. */
  path: string;
  signal: AbortSignal;
  /** What was said of the file the last time: the answer may be a 304, which leaves no file (RFC 9110 §13). */
  validators?: Validators;
  /** For the origins that they name and no other, at every hop. */
  sourceHeaders?: readonly SourceHeaders[];
};

export type Validators = { etag: string | null; lastModified: string | null };

export type Downloader = {
  /** Rejects with the signal's reason, and with HostPaused where a host on the way is left alone for now. */
  download(request: DownloadRequest): Promise<StageResult<Download>>;
  /** How many wait until their host has room. */
  readonly waiting: number;
  close(): void;
};

type DownloaderOptions = { policy: AddressPolicy; limits: DownloadLimits; userAgent: string; accept: string; perHostMax: number; resolve?: Resolve; hosts?: HostWatch };

/** Idle connections are closed before most servers do it themselves (nginx 75 s, Node 5 s): a reset costs an attempt. */
const KEEP_ALIVE_MS = 4_000;

/** The hot path of fetching: node:http costs 0.65 ms of CPU for an image of 140 kB, got's stream 1.0, its buffer 3. */
export function createDownloader(options: DownloaderOptions): Downloader {
  const guard = createGuard(options);
  const gate = createHostGate(options);
  const agentOptions = { keepAlive: true, keepAliveMsecs: 1_000, timeout: KEEP_ALIVE_MS, maxFreeSockets: 256, scheduling: "lifo" } as const;
  // Agents of our own: with NODE_USE_ENV_PROXY=1 Node's global ones send everything to a proxy, past the guard.
  const agents = { "http:": new http.Agent(agentOptions), "https:": new https.Agent(agentOptions) };
  const context: Context = { ...options, hosts: options.hosts ?? NO_WATCH, guard, agents, spare: [] };

  return {
    get waiting() {
      return gate.waiting;
    },
    async download(request) {
      const host = new URL(request.url).host;
      const leave = await gate.enter(host, request.signal);
      let isWhole = false;
      try {
        const result = await fetchToFile(context, request);
        isWhole = result.ok;
        if (result.ok) gate.onSuccess(host);
        else if (result.failure.code === "rate_limited" || result.failure.retryAfterMs !== undefined) gate.onSlowDown(host);
        return result;
      } finally {
        leave();
        if (!isWhole) await rm(request.path, { force: true });
      }
    },
    close() {
      agents["http:"].destroy();
      agents["https:"].destroy();
    },
  };
}

type Context = DownloaderOptions & { hosts: HostWatch; guard: Guard; spare: SparePieces; agents: { "http:": http.Agent; "https:": https.Agent } };

/** Follows redirects to an answer and writes its body. */
async function fetchToFile(context: Context, request: DownloadRequest): Promise<StageResult<Download>> {
  const deadlines = startDeadlines(context.limits, request.signal);
  const { hosts } = context;
  let url = new URL(request.url);
  try {
    for (let hop = 0; ; hop += 1) {
      // Asked at every hop, and after the wait for the host's room: a pause may have begun meanwhile.
      if (hosts.isPaused(url.host)) throw new HostPaused(url.host);
      const own = await ownHeaders(context.guard, url, request.sourceHeaders);
      const response = await requestOnce(context, url, { deadlines, headers: { ...conditional(request.validators), ...(own === "withheld" ? {} : own) } });
      const next = redirectTarget(response, url);
      if (!next) return reportTo(hosts, url, await receive(context, { response, url, path: request.path, signal: request.signal, deadlines, isWithheld: own === "withheld", isConditional: request.validators !== undefined }));
      response.destroy();
      hosts.onSuccess(url.host);
      if (hop >= context.limits.redirectsMax) return failed("too_many_redirects", `The URL redirects more than ${context.limits.redirectsMax} times.`);
      if (next === "invalid") return failed("http_error", "The server redirects to something that is not an http or https URL.");
      url = next;
    }
  } catch (error) {
    request.signal.throwIfAborted();
    if (error instanceof HostPaused) throw error;
    return reportTo(hosts, url, { ok: false, failure: netFailure(deadlines.passed ?? error) });
  } finally {
    deadlines.end();
  }
}

/** The tag decides where there is one; a server that knows only dates ignores it. */
function conditional(validators: Validators | undefined): Record<string, string> {
  const { etag = null, lastModified = null } = validators ?? {};
  return { ...(etag === null ? {} : { "if-none-match": etag }), ...(lastModified === null ? {} : { "if-modified-since": lastModified }) };
}

function reportTo(hosts: HostWatch, { host }: URL, result: StageResult<Download>): StageResult<Download> {
  if (result.ok) hosts.onSuccess(host);
  else hosts.onFailure(host, result.failure);
  return result;
}

/** What the batch sends to this host. Most servers that are asked over http do nothing but redirect to https. */
async function ownHeaders(guard: Guard, url: URL, given: readonly SourceHeaders[] | undefined): Promise<Record<string, string> | "withheld"> {
  const own = given ? headersFor(given, url) : null;
  if (own === null) return {};
  return (await guard.mayCarrySecrets(url)) ? own : "withheld";
}

function requestOnce(context: Context, url: URL, { deadlines, headers }: { deadlines: Deadlines; headers: Record<string, string> }): Promise<http.IncomingMessage> {
  const protocol = url.protocol === "https:" ? "https:" : "http:";
  const port = url.port === "" ? (protocol === "https:" ? 443 : 80) : Number(url.port);
  context.guard.checkLiteral(url.hostname, port);
  return new Promise((resolve, reject) => {
    const send = protocol === "https:" ? https.request : http.request;
    const request = send({
      protocol, port, hostname: unbracket(url.hostname), path: url.pathname + url.search, method: "GET",
      agent: context.agents[protocol], lookup: context.guard.lookupFor(port),
      headers: { host: url.host, "user-agent": context.userAgent, accept: context.accept, "accept-encoding": "identity", ...headers },
    });
    deadlines.watch(request);
    let answer: http.IncomingMessage | undefined;
    request.once("response", (response) => resolve((answer = response)));
    // Unheard, Node closes the connection and says nothing more.
    request.once("upgrade", (response, socket) => {
      socket.destroy();
      resolve(response);
    });
    // Stays for the life of the request: a socket can fail more than once, and unheard that would end the process.
    request.on("error", (error) => {
      // A body hears of it late or never: one without a length would seem whole after a reset, and bad chunks a cut.
      if (answer && !answer.complete) answer.destroy(error);
      reject(error);
    });
    // Whatever else ends a request without an answer must not leave the download waiting for ever.
    request.once("close", () => reject(new Error("the connection ended before an answer")));
    request.end();
  });
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

function redirectTarget(response: http.IncomingMessage, from: URL): URL | "invalid" | null {
  if (!REDIRECTS.has(response.statusCode ?? 0) || response.headers.location === undefined) return null;
  if (!URL.canParse(response.headers.location, from.href)) return "invalid";
  const next = new URL(response.headers.location, from);
  return (next.protocol === "http:" || next.protocol === "https:") && next.username === "" && next.password === "" ? next : "invalid";
}

type Receiving = { response: http.IncomingMessage; url: URL; path: string; signal: AbortSignal; deadlines: Deadlines; isWithheld: boolean; isConditional: boolean };

async function receive(context: Context, receiving: Receiving): Promise<StageResult<Download>> {
  const { response, url, path } = receiving;
  const { headers, statusCode: status = 0 } = response;
  const refuse = <T>(result: T): T => {
    response.destroy();
    return result;
  };
  if (status === 304 && receiving.isConditional) {
    response.resume();
    return succeeded({ path, bytes: 0, sha256: "", head: Buffer.alloc(0), finalUrl: url.href, status, contentType: null, etag: null, lastModified: null });
  }
  if (status !== 200) return refuse({ ok: false, failure: statusFailure(status, parseRetryAfterMs(headers["retry-after"], Date.now()), receiving) });
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    return refuse(failed("http_error", `The server sent the image compressed (${encoding.slice(0, 20)}) although only identity was accepted.`));
  }
  const announced = headers["content-length"] === undefined ? null : Number(headers["content-length"]);
  const tooLarge = () => failed("too_large", `The file has more than the ${context.limits.bytesMax} bytes that are allowed.`);
  if (announced !== null && announced > context.limits.bytesMax) return refuse(tooLarge());

  const body = await writeBody(receiving, { spare: context.spare, bytesMax: context.limits.bytesMax });
  if (body === "too_large") return refuse(tooLarge());
  if (body === "truncated" || (announced !== null && body.bytes !== announced)) {
    return refuse(failed("truncated", `The connection ended before the ${announced ?? "whole"} bytes of the file had come.`));
  }
  return succeeded({
    path, ...body, finalUrl: url.href, status,
    contentType: headers["content-type"] ?? null, etag: headers.etag ?? null, lastModified: headers["last-modified"] ?? null,
  });
}

type Body = { bytes: number; sha256: string; head: Buffer };

/** Counts what really comes, whatever was announced. */
async function writeBody({ response, path, signal, deadlines }: Receiving, { spare, bytesMax }: { spare: SparePieces; bytesMax: number }): Promise<Body | "too_large" | "truncated"> {
  const file = new BodyFile(path, spare);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      deadlines.onBytes(chunk.length);
      if (file.bytes + chunk.length > bytesMax) return "too_large";
      await file.add(chunk);
    }
    const { sha256 } = file.end();
    return { bytes: file.bytes, sha256, head: file.head };
  } catch (error) {
    // The headers had come, so that a connection that ends now has cut the body short.
    if (deadlines.passed || signal.aborted || isDiskError(error) || isProtocolError(error)) throw error;
    return "truncated";
  } finally {
    file.close();
  }
}

function isDiskError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && (error.syscall === "write" || error.syscall === "open");
}
