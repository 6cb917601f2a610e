import { lookup as systemLookup, type LookupAddress, type LookupOptions } from "node:dns";
import { closeSync, openSync } from "node:fs";
import { isIP, type LookupFunction } from "node:net";
import { devNull } from "node:os";
import type { AddressPolicy } from "../domain/address-policy.ts";
import { isOutOfFiles } from "../domain/open-files.ts";

/** The addresses of a host; the system's resolver unless a test brings its own. */
export type Resolve = (host: string) => Promise<LookupAddress[]>;

export class BlockedAddress extends Error {
  readonly code = "ADDRESS_BLOCKED";
}

export type Guard = {
  /** For `lookup` of net and tls: answers only what may be connected to. Not called for literal addresses. */
  lookupFor(port: number): LookupFunction;
  /** Throws BlockedAddress for a literal address that may not be connected to. */
  checkLiteral(hostname: string, port: number): void;
  /** Resolves and checks without connecting. */
  check(hostname: string, port: number): Promise<void>;
  /**
   * Whether credentials may go there: over https, or within a network that ALLOW_CIDRS names. Elsewhere anybody on the way
   * could read them in the clear.
   */
  mayCarrySecrets(url: URL): Promise<boolean>;
};

/** Long enough to spare a hundred images of one host their look-ups, short enough to follow a failover. */
const CACHE_MS = 10_000;
const CACHE_HOSTS_MAX = 10_000;

/**
 * The address guard. It decides on the very addresses that are connected to, at the time of the connection, so
 * that a name that answers differently the second time (DNS rebinding) gains nothing. One forbidden answer
 * condemns the name: a host that is public and private at once is an attack or a mistake.
 */
export function createGuard(options: { policy: AddressPolicy; resolve?: Resolve; now?: () => number }): Guard {
  const resolve = cached(options.resolve ?? resolveWithSystem, options.now ?? (() => performance.now()));
  const demand = (address: string, port: number) => {
    if (!options.policy.isOpen(address, port)) throw new BlockedAddress(`${address} port ${port} is not open to Pressrun`);
  };
  const resolveChecked = async (hostname: string, port: number) => {
    const answers = await resolve(hostname);
    for (const { address } of answers) demand(address, port);
    return answers;
  };

  // A network that the operator knows: where ALLOW_CIDRS names every address of the host.
  const isNamed = async (hostname: string) => {
    const bare = unbracket(hostname);
    const answers = isIP(bare) === 0 ? await resolve(bare) : [{ address: bare }];
    return answers.every(({ address }) => options.policy.isNamed(address));
  };

  return {
    lookupFor: (port) => (hostname, lookupOptions, callback) => {
      resolveChecked(hostname, port).then(
        (answers) => answer(answers, lookupOptions, callback),
        (error: NodeJS.ErrnoException) => callback(error, "", 4),
      );
    },
    checkLiteral(hostname, port) {
      const bare = unbracket(hostname);
      if (isIP(bare) !== 0) demand(bare, port);
    },
    async check(hostname, port) {
      const bare = unbracket(hostname);
      if (isIP(bare) === 0) await resolveChecked(bare, port);
      else demand(bare, port);
    },
    mayCarrySecrets: async (url) => url.protocol === "https:" || isNamed(url.hostname),
  };
}

export function unbracket(hostname: string): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}

function answer(answers: LookupAddress[], options: LookupOptions, callback: Parameters<LookupFunction>[2]): void {
  const fitting = options.family === 4 || options.family === 6 ? answers.filter(({ family }) => family === options.family) : answers;
  const [first] = fitting;
  if (!first) callback(Object.assign(new Error("the name has no address of this family"), { code: "ENOTFOUND" }), "", 4);
  else if (options.all) callback(null, fitting);
  else callback(null, first.address, first.family);
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

/** The system's resolver runs on Node's few pool threads: concurrent and recent questions share one answer. */
function cached(resolve: Resolve, now: () => number): Resolve {
  const answers = new Map<string, { at: number; found: Promise<LookupAddress[]> }>();
  return (host) => {
    const known = answers.get(host);
    if (known && now() - known.at < CACHE_MS) return known.found;
    const found = resolve(host);
    if (answers.size >= CACHE_HOSTS_MAX) answers.clear();
    answers.set(host, { at: now(), found });
    found.catch(() => answers.delete(host));
    return found;
  };
}
