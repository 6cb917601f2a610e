import { rm } from "node:fs/promises";
import type { AddressPolicy } from "../domain/address-policy.ts";
import type { SourceHeaders } from "../domain/source-headers.ts";
import { failed, succeeded, type StageResult } from "../domain/stage-result.ts";
import { createAnswerClock } from "./answer-clock.ts";
import { BodyFile, BodyTooLarge, type SparePieces } from "./body-file.ts";
import { createGuard, unbracket, type Guard, type Resolve } from "./guarded-lookup.ts";
import { createHostGate, watchForGate } from "./host-gate.ts";
import { createHttpClient, type HttpClient } from "./http1/client.ts";
import type { Head } from "./http1/head.ts";
import { BodyCut } from "./http1/protocol-error.ts";
import { portOf } from "./port-of.ts";
import { HostPaused, NO_WATCH, type HostWatch } from "./host-watch.ts";
import { startDeadlines, type Deadlines, type DownloadLimits } from "./deadlines.ts";
import { BadRedirect, judgeAnswer, orAgain, orOfCondition, tooLarge, truncated } from "./judge-answer.ts";
import { netFailure } from "./net-failure.ts";
import { findHostHeaders, requestHeaders, validatorsFor, validatorsIn, type HostHeaders, type Validators } from "./request-headers.ts";

export type Download = {
  path: string;
  bytes: number;
  /** The server said where the file ends, before it or by chunks. Otherwise it ends with its connection, and may have been cut. */
  isEndTold: boolean;
  sha256: string;
  finalUrl: string;
  status: number;
  contentType: string | null;
  etag: string | null;
  lastModified: string | null;
  /** The first 16 KiB of the body, or all of it where it is shorter. */
  head: Buffer;
};

export type DownloadRequest = {
  url: string;
  /** Written whole or removed. */
  path: string;
  signal: AbortSignal;
  /**
   * What was said of the file the last time: the answer may be a 304, which leaves no file (RFC 9110 §13). Of a failure that isOfCondition
   * no host is told, so that it has to be asked for again without.
   */
  validators?: Validators;
  /** Hosts that must not be asked, wherever a redirect leads, and what is the result where one would be. */
  barred?: { hosts: readonly string[]; refusal: StageResult<never> };
  /** It was just asked for with a condition: where a host on the way is tried by one at a time, this is the one. */
  isAgain?: boolean;
  /** There is room for it: from here on it is being asked for. */
  onTurn?: () => void;
  /** The file begins to come, of so many bytes where the server says it, and then comes piece by piece. */
  onBody?: (bytes: number | null) => void;
  onBytes?: (count: number) => void;
  /** For the origins that they name and no other, at every hop. */
  sourceHeaders?: readonly SourceHeaders[];
};

export type Downloader = {
  /** Rejects with the signal's reason, and with HostPaused where a host on the way is left alone for now. */
  download(request: DownloadRequest): Promise<StageResult<Download>>;
  /** How many wait until their host has room. */
  readonly waiting: number;
  close(): void;
};

type DownloaderOptions = {
  policy: AddressPolicy;
  limits: DownloadLimits;
  userAgent: string;
  accept: string;
  /** How many at once, and how many of them of one host. */
  max: number;
  perHostMax: number;
  /** Content codings that the file may keep; none unless told. */
  codingsTaken?: readonly string[];
  resolve?: Resolve;
  hosts?: HostWatch;
};

export function createDownloader(options: DownloaderOptions): Downloader {
  const guard = createGuard(options);
  const gate = createHostGate(options);
  const client = createHttpClient();
  const context: Context = { ...options, hosts: watchForGate(gate, options.hosts ?? NO_WATCH), guard, client, spare: [] };

  return {
    get waiting() {
      return gate.waiting;
    },
    async download(request) {
      const url = new URL(request.url);
      let leave = await gate.enter(url.host, request.signal);
      request.onTurn?.();
      // Nobody holds a place at one host while he waits at another: two that redirect to each other would wait for ever.
      const moveTo = async (host: string) => {
        leave();
        leave = () => {};
        leave = await gate.enter(host, request.signal);
      };
      let isWhole = false;
      try {
        const result = await fetchToFile(context, { ...request, moveTo }, url);
        isWhole = result.ok;
        return result;
      } finally {
        leave();
        if (!isWhole) await rm(request.path, { force: true });
      }
    },
    close: client.close,
  };
}

type Context = DownloaderOptions & { hosts: HostWatch; guard: Guard; spare: SparePieces; client: HttpClient };

/** `moveTo` leaves the present host's room for that of another. */
type Journey = DownloadRequest & { moveTo(host: string): Promise<void> };

/** Follows redirects to an answer and writes its body. */
async function fetchToFile(context: Context, request: Journey, first: URL): Promise<StageResult<Download>> {
  const { hosts, limits } = context;
  const deadlines = startDeadlines(limits, request.signal, request.onBytes);
  let url = first;
  let isFresh = true;
  try {
    for (let hop = 0; ; hop += 1) {
      // Asked at every hop, and after the wait for the host's room: a pause may have begun meanwhile.
      if (hosts.isPaused(url.host)) throw new HostPaused(url.host);
      if (request.barred?.hosts.includes(url.host)) return request.barred.refusal;
      const hostHeaders = await findHostHeaders(context.guard, url, request.sourceHeaders);
      const answer = await ask(context, { url, request, deadlines, hostHeaders, validators: validatorsFor(url, request.validators) });
      if (!("redirect" in answer)) return reportTo(hosts, url, isFresh ? answer : orAgain(answer));
      hosts.onSuccess(url.host);
      if (hop >= limits.redirectsMax) return failed("too_many_redirects", `The URL redirects more than ${limits.redirectsMax} times.`);
      if (answer.redirect instanceof BadRedirect) return failed("http_error", answer.redirect.message);
      const redirectedAt = performance.now();
      if (answer.redirect.host !== url.host) await moveTo(hosts, request, answer.redirect);
      isFresh = performance.now() - redirectedAt < limits.redirectFreshMs;
      url = answer.redirect;
    }
  } catch (error) {
    request.signal.throwIfAborted();
    if (error instanceof HostPaused) throw error;
    return reportTo(hosts, url, { ok: false, failure: netFailure(deadlines.passed ?? error) });
  } finally {
    deadlines.end();
  }
}

async function moveTo(hosts: HostWatch, request: Journey, { host }: URL): Promise<void> {
  await request.moveTo(host);
  if (request.isAgain !== true && !hosts.admits(host)) throw new HostPaused(host);
}

function reportTo(hosts: HostWatch, { host }: URL, result: StageResult<Download>): StageResult<Download> {
  if (result.ok) hosts.onSuccess(host);
  else hosts.onFailure(host, result.failure);
  return result;
}

type Hop = { url: URL; request: DownloadRequest; deadlines: Deadlines; hostHeaders: HostHeaders; validators: Validators | null };

/** One request: its answer's body goes to the file, unless the head tells that it is of no use. */
async function ask(context: Context, hop: Hop): Promise<StageResult<Download> | Redirect> {
  const { url, deadlines, hostHeaders, validators } = hop;
  const { userAgent, accept } = context;
  const port = portOf(url);
  context.guard.checkLiteral(url.hostname, port);
  const clock = createAnswerClock(deadlines);
  let verdict: Verdict | null = null;
  try {
    await context.client.get({
      url,
      port,
      hostname: unbracket(url.hostname),
      lookup: context.guard.lookupFor(port),
      watch: clock,
      headers: requestHeaders({ userAgent, accept, validators, hostHeaders }),
      onHead(head) {
        context.hosts.onHead?.(url.host, { status: head.status, ms: clock.ms });
        verdict = judge(context, hop, head);
        return "file" in verdict ? verdict.file : null;
      },
    });
    return conclude(hop, verdict);
  } catch (error) {
    if (error instanceof BodyTooLarge) return tooLarge(context.limits.bytesMax);
    // The head had come, so that a connection that ends now has cut the body short.
    if (error instanceof BodyCut) return truncated(bodyOf(verdict)?.head);
    if (validators === null || !clock.isAwaited || hop.request.signal.aborted) throw error;
    return orOfCondition({ ok: false, failure: netFailure(deadlines.passed ?? error) });
  } finally {
    await bodyOf(verdict)?.file.close();
  }
}

type Redirect = { redirect: URL | BadRedirect };
type Verdict = { file: BodyFile; head: Head } | { result: StageResult<Download> } | Redirect;

/** What becomes of an answer: another request, a result without a body, or a file. */
function judge(context: Context, { url, request, hostHeaders, validators }: Hop, head: Head): Verdict {
  const { bytesMax } = context.limits;
  const judgement = judgeAnswer(
    { url, validators, isWithheld: hostHeaders === "withheld", bytesMax, codingsTaken: context.codingsTaken ?? [] },
    head,
  );
  switch (judgement.kind) {
    case "redirect":
      return { redirect: judgement.to };
    case "unchanged":
      return { result: succeeded(unchanged(request.path, url)) };
    case "refused":
      return { result: validators === null ? judgement.result : orOfCondition(judgement.result) };
    case "body":
      request.onBody?.(head.headers["content-length"] === undefined ? null : Number(head.headers["content-length"]));
      return { file: new BodyFile(request.path, { spare: context.spare, bytesMax }), head };
    default:
      return judgement satisfies never;
  }
}

function unchanged(path: string, url: URL): Download {
  const nothing = { bytes: 0, isEndTold: true, sha256: "", head: Buffer.alloc(0), contentType: null, etag: null, lastModified: null };
  return { path, finalUrl: url.href, status: 304, ...nothing };
}

function conclude({ url, request }: Hop, verdict: Verdict | null): StageResult<Download> | Redirect {
  if (verdict === null) throw new Error("an answer without a head");
  if ("redirect" in verdict) return verdict;
  if ("result" in verdict) return verdict.result;
  const { file, head } = verdict;
  const { status, headers } = head;
  const { sha256 } = file.end();
  return succeeded({
    path: request.path,
    bytes: file.bytes,
    isEndTold: headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined,
    sha256,
    head: file.head,
    finalUrl: url.href,
    status,
    contentType: headers["content-type"] ?? null,
    ...validatorsIn(headers),
  });
}

function bodyOf(verdict: Verdict | null): { file: BodyFile; head: Head } | undefined {
  return verdict !== null && "file" in verdict ? verdict : undefined;
}
