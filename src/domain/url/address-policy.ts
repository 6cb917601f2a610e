import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** Decides by the address that is connected to, whatever spelling or name led to it. */
export type AddressPolicy = {
  /** True for global unicast, and for what ALLOW_CIDRS names. */
  isAllowed(address: string): boolean;
  /** True where ALLOW_CIDRS names the address: every port may be used there. */
  isNamed(address: string): boolean;
  /** Whether a connection may be made: to 80, 443 and the ports of ALLOW_PORTS, and to any port of a named address. */
  isOpen(address: string, port: number): boolean;
};

const WEB_PORTS = [80, 443];

/** Cloud metadata and host services that lie in global unicast space or that ipaddr.js does not single out. */
const REFUSED_V4 = ["168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"].map((cidr) => ipaddr.parseCIDR(cidr));
/** Global unicast is 2000::/3 alone (RFC 4291). */
const GLOBAL_V6 = ipaddr.parseCIDR("2000::/3");
/** Ranges of it that lead to other addresses (Teredo, 6to4) or to nobody (ORCHID, documentation). */
const REFUSED_V6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"].map((cidr) => ipaddr.parseCIDR(cidr));

/** @throws {RangeError} naming the entry of `allowCidrs` that is no address range. */
export function createAddressPolicy(options: { allowCidrs: readonly string[]; allowPorts?: readonly number[] }): AddressPolicy {
  const named = options.allowCidrs.map(parseCidr);
  const ports = new Set([...WEB_PORTS, ...(options.allowPorts ?? [])]);
  const isNamed = (address: string) => {
    const parsed = parseAddress(address);
    return parsed !== null && named.some((cidr) => matches(parsed, cidr));
  };
  const isAllowed = (address: string) => {
    const parsed = parseAddress(address);
    return parsed !== null && (isNamed(address) || isGlobalUnicast(parsed));
  };
  return { isNamed, isAllowed, isOpen: (address, port) => (ports.has(port) ? isAllowed(address) : isNamed(address)) };
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Cidr = [Address, number];

/** An address of a range is read as strictly as one to connect to: ipaddr.js takes `10/8` for 0.0.0.0/8, which leads to this machine. */
function parseCidr(text: string): Cidr {
  const withBits = text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`;
  const cidr = ipaddr.isValidCIDR(withBits) ? ipaddr.parseCIDR(withBits) : null;
  // An IPv4-mapped range would name nothing, since addresses are compared as IPv4.
  if (cidr === null || parseAddress(withBits.slice(0, withBits.indexOf("/")))?.kind() !== cidr[0].kind())
    throw new RangeError(`expected address ranges such as 10.0.0.0/8 or fd00::/8, got "${text}"`);
  return cidr;
}

/** An IPv4-compatible address (::/96, RFC 4291 §2.5.5.1) as resolvers write it, which ipaddr.js 2.5 reads as IPv4-mapped. */
const COMPATIBLE_V6 = /^::\d+\./;

/**
 * Null unless a socket would take the text as an address: ipaddr.js also reads short, octal and hexadecimal forms, and a text that
 * two parsers may read differently is refused. So are scope ids (`%eth0`). An IPv4-mapped IPv6 address is read as the IPv4 address,
 * to which the kernel connects.
 */
function parseAddress(text: string): Address | null {
  if (text.includes("%") || COMPATIBLE_V6.test(text) || isIP(text) === 0 || !ipaddr.isValid(text)) return null;
  const address = ipaddr.parse(text);
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

function isGlobalUnicast(address: Address): boolean {
  if (address instanceof ipaddr.IPv4) return address.range() === "unicast" && !REFUSED_V4.some((cidr) => matches(address, cidr));
  return (
    matches(address, GLOBAL_V6) && address.range() === "unicast" && !REFUSED_V6.some((cidr) => matches(address, cidr)) && !isIsatap(address)
  );
}

/** An interface identifier of ISATAP (RFC 5214 §6.1) leads to the IPv4 address in its last 32 bits, under any prefix. */
function isIsatap({ parts }: ipaddr.IPv6): boolean {
  return parts[5] === 0x5efe && (parts[4] === 0 || parts[4] === 0x200);
}

function matches(address: Address, [base, bits]: Cidr): boolean {
  return address.kind() === base.kind() && address.match(base, bits);
}
