import { lookup as systemLookup, type LookupAddress } from "node:dns";
import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { putLast } from "../domain/forget-oldest.ts";
import { createGate, NEVER } from "../domain/load/gate.ts";
import { isOutOfFiles } from "../domain/load/open-files.ts";

/** The addresses of a host; the system's resolver unless a test brings its own. */
export type Resolve = (host: string) => Promise<LookupAddress[]>;

/** The addresses of a name have not come in time. */
export class LookUpLate extends Error {}

type LookUps = {
  /** Rejects with LookUpLate, with the signal's reason, and with what the resolver says. */
  find(host: string, signal?: AbortSignal): Promise<LookupAddress[]>;
  /** Whether an answer has ever come, and has not been forgotten. */
  isKnown(host: string): boolean;
  /** How many addresses it had when they came last; 0 as long as none have. */
  countKnown(host: string): number;
};

type LookUp = {
  /** When its answer came: never, as long as it has not. */
  at: number;
  count: number;
  /** Of a name that is looked up anew: what it had before, which it has again where that fails. */
  earlier: LookUp | undefined;
  turn: Promise<void>;
  found: Promise<LookupAddress[]>;
};

/** Where the first of two nameservers is mute a look-up takes glibc 5 s, and 20 where both are; with three of them it is 30. */
export const LOOK_UP_MS = 30_000;
/** Long enough to spare a hundred images of one host their look-ups, short enough to follow a failover. */
const FRESH_MS = 10_000;
const HOSTS_MAX = 10_000;
/** As many of libuv's pool threads (bin/process-settings.js) as it lets look-ups have, so that none waits there with its time running. */
const POOL_THREADS = Number(process.env["UV_THREADPOOL_SIZE"]) || 64;
const AT_ONCE_MAX = Math.max(1, Math.min(32, Math.floor((POOL_THREADS + 1) / 2)));

/**
 * Concurrent and recent questions share one answer, which is as old as it is here: one that took long would else be out of date when it
 * comes, and be asked for again by all who had waited. A few look-ups run at once, and each has its time from when it is its turn.
 */
export function createLookUps({
  resolve = resolveWithSystem,
  now = () => performance.now(),
  ms = LOOK_UP_MS,
}: {
  resolve: Resolve | undefined;
  now: (() => number) | undefined;
  ms: number | undefined;
}): LookUps {
  const lookUps = new Map<string, LookUp>();
  const gate = createGate(() => AT_ONCE_MAX);
  const begin = (host: string): LookUp => {
    const turn = gate.enter(NEVER) ?? Promise.resolve();
    const found = turn.then(() => resolve(host)).finally(() => gate.leave());
    const lookUp: LookUp = { at: Infinity, count: 0, earlier: lookUps.get(host), turn, found };
    found.then(
      ({ length }) => void ([lookUp.at, lookUp.count, lookUp.earlier] = [now(), length, undefined]),
      () => {
        if (lookUps.get(host) !== lookUp) return;
        if (lookUp.earlier) lookUps.set(host, lookUp.earlier);
        else lookUps.delete(host);
      },
    );
    putLast(lookUps, host, lookUp, HOSTS_MAX);
    return lookUp;
  };

  return {
    find(host, signal) {
      const known = lookUps.get(host);
      const lookUp = known !== undefined && now() - known.at < FRESH_MS ? known : begin(host);
      return lookUp.at === Infinity ? inTime(lookUp, ms, signal) : lookUp.found;
    },
    isKnown(host) {
      const lookUp = lookUps.get(host);
      return lookUp !== undefined && (lookUp.at < Infinity || lookUp.earlier !== undefined);
    },
    countKnown(host) {
      const lookUp = lookUps.get(host);
      return (lookUp?.earlier ?? lookUp)?.count ?? 0;
    },
  };
}

/** Each who asks has all of the time: who comes late to a look-up that hangs would else fail in no time, attempt after attempt. */
async function inTime({ turn, found }: LookUp, ms: number, signal: AbortSignal | undefined): Promise<LookupAddress[]> {
  signal?.throwIfAborted();
  const over = Promise.withResolvers<never>();
  const onAbort = () => over.reject(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([turn, over.promise]);
    timer = setTimeout(() => over.reject(new LookUpLate(`The host name could not be looked up within ${ms / 1_000} s.`)), ms);
    return await Promise.race([found, over.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

function resolveWithSystem(host: string): Promise<LookupAddress[]> {
  return new Promise((resolve, reject) => {
    const lacking = findOutOfFiles();
    if (lacking !== null) return reject(lacking);
    systemLookup(host, { all: true, order: "ipv4first" }, (error, addresses) =>
      error ? reject(findOutOfFiles() ?? error) : resolve(addresses),
    );
  });
}

/** The system's resolver, which reads files and asks over a socket, says that there is no such name where it can open neither. */
function findOutOfFiles(): Error | null {
  try {
    closeSync(openSync(devNull, "r"));
    return null;
  } catch (error) {
    return isOutOfFiles(error) ? error : null;
  }
}
