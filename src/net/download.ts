import { rm } from "node:fs/promises";
import type { AddressPolicy } from "../domain/url/address-policy.ts";
import type { Asker } from "../domain/load/asker.ts";
import { createGate, type Gate } from "../domain/load/gate.ts";
import { failed, type StageResult } from "../domain/image/stage-result.ts";
import { askForFile } from "./ask-for-file.ts";
import type { SparePieces } from "./body-file.ts";
import { startDeadlines } from "./deadlines.ts";
import type { DownloadLimits } from "./download-limits.ts";
import type { Download, DownloadOrder } from "./download-order.ts";
import { createGuard, type Guard } from "./guarded-lookup.ts";
import { createHostGate, watchForGate } from "./host-gate.ts";
import { HostCrowded, HostPaused, NO_WATCH, type HostWatch } from "./host-watch.ts";
import { createHttpClient, type HttpClient } from "./http1/client.ts";
import { BadRedirect, orAgain, orExpired } from "./judge-answer.ts";
import type { Resolve } from "./look-ups.ts";
import { netFailure } from "./net-failure.ts";
import { findHostHeaders, validatorsFor } from "./request-headers.ts";
import { UNPACKED_AT_ONCE } from "./unpack-body.ts";

export type Downloader = {
  /** Rejects with the signal's reason, with HostPaused where a host on the way is left alone for now, and with HostCrowded where it turns away. */
  download(order: DownloadOrder): Promise<StageResult<Download>>;
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
  /** Whether who waits for a slow host is turned away where that keeps others back; else nobody is. */
  turnsAway?: boolean;
  /** Content codings that the file may keep; none unless told. */
  codingsTaken?: readonly string[];
  resolve?: Resolve;
  /** By which the resolver's answers grow old. */
  now?: () => number;
  hosts?: HostWatch;
};

export function createDownloader(options: DownloaderOptions): Downloader {
  const guard = createGuard({ ...options, lookUpMs: options.limits.lookUpMs });
  const gate = createHostGate(options);
  const client = createHttpClient();
  const context: Context = {
    ...options,
    hosts: watchForGate(gate, options.hosts ?? NO_WATCH),
    guard,
    client,
    spare: [],
    unpacking: createGate(() => UNPACKED_AT_ONCE),
  };
  /** Images that are claimed together have one asker, for which this is made once: it is a dozen functions. */
  const contexts = new WeakMap<Asker, Context>();
  const contextFor = (asker: Asker) => {
    const made = { ...context, hosts: context.hosts.of(asker) };
    contexts.set(asker, made);
    return made;
  };

  return {
    get waiting() {
      return gate.waiting;
    },
    async download(order) {
      const { asker } = order;
      const own = asker === undefined ? context : (contexts.get(asker) ?? contextFor(asker));
      const url = new URL(order.url);
      let leave = () => {};
      /** The host of the order's own URL, once it has led to another. */
      let ledBy: string | undefined;
      // Nobody holds a place at one host while he waits at another: two that redirect to each other would wait for ever.
      const moveTo = async ({ host, hostname }: URL) => {
        leave();
        leave = () => {};
        const prepare = () => {
          if (own.hosts.isPaused(host)) throw new HostPaused(host);
          return guard.meetName(hostname, order.signal);
        };
        // Nor is who was redirected turned away: the host before would be asked again.
        const isPatient = ledBy !== undefined || order.isAgain === true;
        const options = { prepare, batchId: asker?.batchId, isPatient, ledBy };
        ledBy ??= host;
        leave = await gate.enter(host, order.signal, options);
      };
      let isWhole = false;
      try {
        const result = await fetchToFile(own, { ...order, moveTo }, url);
        isWhole = result.ok;
        return result;
      } finally {
        leave();
        if (!isWhole) await rm(order.path, { force: true });
      }
    },
    close: client.close,
  };
}

type Context = DownloaderOptions & { hosts: HostWatch; guard: Guard; spare: SparePieces; client: HttpClient; unpacking: Gate };

/** `moveTo` leaves the present host's room for that of another, whose name is known then. */
type Journey = DownloadOrder & { moveTo(url: URL): Promise<void> };

/** Follows redirects to an answer and writes its body. */
async function fetchToFile(context: Context, journey: Journey, first: URL): Promise<StageResult<Download>> {
  const { hosts, limits } = context;
  const deadlines = startDeadlines(limits, journey.signal, journey.onBytes);
  let url = first;
  /** When a redirect made what is asked for now; null for what the order asks for. */
  let madeAt: number | null = null;
  let askedAt = performance.now();
  try {
    await journey.moveTo(first);
    journey.onAsked?.();
    for (let hop = 0; ; hop += 1) {
      askedAt = performance.now();
      // Asked at every hop, and after the wait for the host's room: a pause may have begun meanwhile.
      if (hosts.isPaused(url.host)) throw new HostPaused(url.host);
      if (journey.barred?.hosts.includes(url.host)) return journey.barred.refusal;
      const hostHeaders = await findHostHeaders(context.guard, url, journey.sourceHeaders);
      const isFresh = madeAt === null || performance.now() - madeAt < limits.redirectFreshMs;
      const answer = await askForFile(context, {
        url,
        order: journey,
        deadlines,
        hostHeaders,
        validators: validatorsFor(url, journey.validators),
      });
      if (!("redirect" in answer)) {
        const result = orExpired(isFresh ? answer : orAgain(answer), first, Date.now());
        return reportTo(hosts, url, asRefused(journey, url.host === first.host, result));
      }
      hosts.onSuccess(url.host);
      if (hop >= limits.redirectsMax) return failed("too_many_redirects", `The URL redirects more than ${limits.redirectsMax} times.`);
      if (answer.redirect instanceof BadRedirect) return failed("http_error", answer.redirect.message);
      if (isAnotherFile(answer.redirect, url)) madeAt = performance.now();
      const isElsewhere = answer.redirect.host !== url.host;
      url = answer.redirect;
      if (isElsewhere) await moveTo(hosts, journey, url);
    }
  } catch (error) {
    journey.signal.throwIfAborted();
    if (error instanceof HostPaused || error instanceof HostCrowded) throw error;
    const failure = netFailure(deadlines.passed ?? error);
    if (failure.code === "timed_out") failure.waitedMs = performance.now() - askedAt;
    return reportTo(hosts, url, { ok: false, failure });
  } finally {
    deadlines.end();
  }
}

/** A redirect that only names another host has made nothing that could expire: what such a site does not have is not tried five times. */
function isAnotherFile(to: URL, from: URL): boolean {
  return to.pathname !== from.pathname || to.search !== from.search;
}

/** Where a redirect leads to another host, that may refuse it for the first time. */
function asRefused({ wasRefused }: DownloadOrder, isOwnHost: boolean, result: StageResult<Download>): StageResult<Download> {
  return result.ok || wasRefused !== true || !isOwnHost ? result : { ok: false, failure: { ...result.failure, isRefusedAgain: true } };
}

async function moveTo(hosts: HostWatch, journey: Journey, url: URL): Promise<void> {
  await journey.moveTo(url);
  if (journey.isAgain !== true && !hosts.admits(url.host)) throw new HostPaused(url.host);
}

function reportTo(hosts: HostWatch, { host }: URL, result: StageResult<Download>): StageResult<Download> {
  if (result.ok) hosts.onSuccess(host);
  else hosts.onFailure(host, result.failure);
  return result;
}
