import ipaddr from "ipaddr.js";

/** Decides on the address that is connected to, whatever spelling or name led to it. */
export type AddressPolicy = {
  /** True for global unicast, and for what ALLOW_CIDRS names. */
  isAllowed(address: string): boolean;
  /** True where ALLOW_CIDRS names the address: any port may be used there. */
  isNamed(address: string): boolean;
};

/** Cloud metadata and host services that lie in global unicast space or that ipaddr.js does not single out. */
const REFUSED_V4 = ["168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"].map((cidr) => ipaddr.parseCIDR(cidr));
/** Global unicast is 2000::/3 alone (RFC 4291); within it these carry other addresses or nobody: Teredo, ORCHID, documentation, 6to4. */
const GLOBAL_V6 = ipaddr.parseCIDR("2000::/3");
const REFUSED_V6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"].map((cidr) => ipaddr.parseCIDR(cidr));

/** @throws {RangeError} naming the entry of `allowCidrs` that is no address range. */
export function createAddressPolicy(options: { allowCidrs: readonly string[] }): AddressPolicy {
  const named = options.allowCidrs.map(parseCidr);
  const isNamed = (address: string) => {
    const parsed = parseAddress(address);
    return parsed !== null && named.some((cidr) => matches(parsed, cidr));
  };
  return {
    isNamed,
    isAllowed(address) {
      const parsed = parseAddress(address);
      return parsed !== null && (isNamed(address) || isGlobalUnicast(parsed));
    },
  };
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Cidr = [Address, number];

function parseCidr(text: string): Cidr {
  const withBits = text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`;
  if (!ipaddr.isValidCIDR(withBits)) throw new RangeError(`expected address ranges such as 10.0.0.0/8 or fd00::/8, got "${text}"`);
  return ipaddr.parseCIDR(withBits);
}

/** An IPv4-mapped IPv6 address is the IPv4 address: that is where the kernel connects. Scope ids (`%eth0`) are refused. */
function parseAddress(text: string): Address | null {
  if (text.includes("%") || !ipaddr.isValid(text)) return null;
  const address = ipaddr.parse(text);
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

function isGlobalUnicast(address: Address): boolean {
  if (address instanceof ipaddr.IPv4) return address.range() === "unicast" && !REFUSED_V4.some((cidr) => matches(address, cidr));
  return matches(address, GLOBAL_V6) && address.range() === "unicast" && !REFUSED_V6.some((cidr) => matches(address, cidr));
}

function matches(address: Address, [base, bits]: Cidr): boolean {
  return address.kind() === base.kind() && address.match(base, bits);
}
