import type { LookupAddress, LookupOptions } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import type { AddressPolicy } from "../domain/url/address-policy.ts";
import { createLookUps, type Resolve } from "./look-ups.ts";

export class BlockedAddress extends Error {}

export type Guard = {
  /** For `lookup` of net and tls: answers only what may be connected to. Not called for literal addresses. */
  lookupFor(port: number): LookupFunction;
  /** Throws BlockedAddress for a literal address that may not be connected to. */
  checkLiteral(hostname: string, port: number): void;
  /**
   * Resolves once the addresses of a name that is met for the first time are known, and rejects as its look-up does. Null where there is
   * nothing to wait for: a name that was known is looked up anew for a connection only, and many requests need no new one.
   */
  meetName(hostname: string, signal: AbortSignal): Promise<unknown> | null;
  /** How many addresses a name is known to have. */
  countAddresses(hostname: string): number;
  /** Resolves and checks without connecting. */
  check(hostname: string, port: number): Promise<void>;
  /**
   * Whether credentials may go there: over https, or within a network that ALLOW_CIDRS names. Elsewhere anybody on the way
   * could read them in the clear.
   */
  mayCarrySecrets(url: URL): Promise<boolean>;
};

/**
 * The address guard. It decides on the very addresses that are connected to, at the time of the connection, so
 * that a name that answers differently the second time (DNS rebinding) gains nothing. One forbidden answer
 * condemns the name: a host that is public and private at once is an attack or a mistake.
 */
export function createGuard(options: { policy: AddressPolicy; resolve?: Resolve; now?: () => number; lookUpMs?: number }): Guard {
  const lookUps = createLookUps({ resolve: options.resolve, now: options.now, ms: options.lookUpMs });
  const demand = (address: string, port: number) => {
    if (!options.policy.isOpen(address, port)) throw new BlockedAddress(`${address} port ${port} is not open to Pressrun`);
  };
  const resolveChecked = async (hostname: string, port: number) => {
    const answers = await lookUps.find(hostname);
    for (const { address } of answers) demand(address, port);
    return answers;
  };

  // A network that the operator knows: where ALLOW_CIDRS names every address of the host.
  const isNamed = async (hostname: string) => {
    const bare = unbracket(hostname);
    const answers = isIP(bare) === 0 ? await lookUps.find(bare) : [{ address: bare }];
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
    meetName: (hostname, signal) => (isIP(unbracket(hostname)) !== 0 || lookUps.isKnown(hostname) ? null : lookUps.find(hostname, signal)),
    countAddresses: lookUps.countKnown,
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
