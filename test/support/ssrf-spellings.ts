/** Addresses that nobody on the internet may make us reach; every cloud's metadata service is among them. */
export const FORBIDDEN_V4 = [
  "127.0.0.1",
  "127.1.2.3",
  "0.0.0.0",
  "10.0.0.1",
  "100.64.0.1",
  "100.100.100.200",
  "168.63.129.16",
  "169.254.0.1",
  "169.254.169.254",
  "169.254.170.2",
  "172.16.0.1",
  "172.31.255.254",
  "192.0.0.192",
  "192.0.2.1",
  "192.88.99.1",
  "192.168.1.1",
  "198.18.0.1",
  "198.51.100.1",
  "203.0.113.1",
  "224.0.0.1",
  "240.0.0.1",
  "255.255.255.255",
] as const;
const FORBIDDEN_V6 = [
  "::1",
  "::",
  "fe80::1",
  "fec0::1",
  "fc00::1",
  "fd00::1",
  "fd00:ec2::254",
  "fd20:ce::254",
  "ff02::1",
  "100::1",
  "2001::1",
  "2001:10::1",
  "2001:db8::1",
  "3fff::1",
  "5f00::1",
  "4000::1",
] as const;

/** One URL and the forbidden address that it spells. */
export type Spelling = { url: string; how: string };

/** Every forbidden address in every spelling that some URL parser takes, on the port where the canary listens. */
export function spellForbidden(port: number): Spelling[] {
  const v4 = FORBIDDEN_V4.flatMap((address) => [
    ...Object.entries(hostsOfV4(address)).map(([how, host]) => ({ how: `${address} ${how}`, url: `http://${host}:${port}/` })),
    ...Object.entries(tricksWith(address, port)).map(([how, url]) => ({ how: `${address} ${how}`, url })),
  ]);
  const v6 = FORBIDDEN_V6.flatMap((address) =>
    Object.entries(hostsOfV6(address)).map(([how, host]) => ({ how: `${address} ${how}`, url: `http://[${host}]:${port}/` })),
  );
  return [...new Map([...v4, ...v6].map((spelling) => [spelling.url, spelling])).values()];
}

function hostsOfV4(address: string): Record<string, string> {
  const bytes = address.split(".").map(Number) as [number, number, number, number];
  const [a, b, c, d] = bytes;
  const whole = ((a * 256 + b) * 256 + c) * 256 + d;
  const hex = (value: number, width = 1) => value.toString(16).padStart(width, "0");
  const octal = (value: number) => `0${value.toString(8)}`;
  const [high, low] = [hex(a * 256 + b), hex(c * 256 + d)];
  const withDigits = (digits: readonly string[]) => address.replaceAll(/\d/g, (digit) => digits[Number(digit)] ?? digit);
  const range = (first: number) => Array.from({ length: 10 }, (_, digit) => String.fromCodePoint(first + digit));
  const percent = (text: string) => text.replaceAll(/./gsu, (sign) => [...Buffer.from(sign)].map((byte) => `%${hex(byte, 2)}`).join(""));
  const inverted = `${hex(0xffff - (a * 256 + b))}:${hex(0xffff - (c * 256 + d))}`;
  return {
    "as it is": address,
    "with a dot at the end": `${address}.`,
    "as one number": String(whole),
    "as one hexadecimal number": `0x${hex(whole)}`,
    "as one hexadecimal number in capitals": `0X${hex(whole, 8).toUpperCase()}`,
    "as one octal number": octal(whole),
    "as one number with zeros before": `0x0000000000${hex(whole)}`,
    "in hexadecimal bytes": bytes.map((byte) => `0x${hex(byte)}`).join("."),
    "in octal bytes": bytes.map(octal).join("."),
    "in octal bytes with zeros before": bytes.map((byte) => `000${octal(byte)}`).join("."),
    "in mixed bytes": `0x${hex(a)}.${octal(b)}.${c}.${d}`,
    "in three parts": `${a}.${b}.${c * 256 + d}`,
    "in two parts": `${a}.${(b * 256 + c) * 256 + d}`,
    "in two parts of both kinds": `0x${hex(a)}.${octal((b * 256 + c) * 256 + d)}`,
    "percent-encoded": percent(address),
    "with percent-encoded dots": address.replaceAll(".", "%2e"),
    "with one digit percent-encoded": address.replace(/\d/, percent),
    "in full-width digits": withDigits(range(0xff10)),
    "in full-width digits, percent-encoded": percent(withDigits(range(0xff10))),
    "in circled digits": withDigits(["⓪", ...range(0x2460)]),
    "in bold digits": withDigits(range(0x1d7ce)),
    "in double-struck digits": withDigits(range(0x1d7d8)),
    "in superscript": withDigits([..."⁰¹²³⁴⁵⁶⁷⁸⁹"]),
    "with ideographic full stops": address.replaceAll(".", "。"),
    "with full-width full stops": address.replaceAll(".", "．"),
    "with half-width full stops": address.replaceAll(".", "｡"),
    "with a soft hyphen": address.replace(".", ".\u00AD"),
    "with a zero-width space": address.replace(".", "\u200B."),
    "mapped into IPv6": `[::ffff:${address}]`,
    "mapped into IPv6 in hexadecimal": `[::ffff:${high}:${low}]`,
    "mapped into IPv6 in full": `[0:0:0:0:0:FFFF:${high}:${low}]`,
    "translated (RFC 2765)": `[::ffff:0:${address}]`,
    "compatible with IPv6": `[::${address}]`,
    "compatible with IPv6 in hexadecimal": `[::${high}:${low}]`,
    "behind NAT64": `[64:ff9b::${address}]`,
    "behind NAT64 in hexadecimal": `[64:ff9b::${high}:${low}]`,
    "behind a local NAT64": `[64:ff9b:1::${high}:${low}]`,
    "in 6to4": `[2002:${high}:${low}::]`,
    "in 6to4 with a host": `[2002:${high}:${low}::1]`,
    "in Teredo as the client": `[2001:0:5ef5:79fb:0:0:${inverted}]`,
    "in Teredo as the server": `[2001:0:${high}:${low}::1]`,
    "in ISATAP": `[2606:4700::5efe:${high}:${low}]`,
    "in ISATAP of a local link": `[fe80::200:5efe:${address}]`,
    "mapped into IPv6 with a zone": `[::ffff:${address}%25lo]`,
  };
}

function tricksWith(address: string, port: number): Record<string, string> {
  const at = `${address}:${port}`;
  return {
    "behind a user name that looks like a host": `http://8.8.8.8@${at}/`,
    "behind a user name and password": `http://shop.example:80@${at}/`,
    "behind a percent-encoded user name": `http://shop.example%2f%40@${at}/`,
    "before a backslash and a false host": `http://${at}\\@8.8.8.8/`,
    "before a fragment and a false host": `http://${at}#@8.8.8.8/`,
    "before a query and a false host": `http://${at}?@8.8.8.8/`,
    "under a scheme in capitals": `HTTP://${at}/`,
    "under https": `https://${at}/`,
    "with backslashes": `http:\\\\${at}\\`,
    "with three slashes": `http:///${at}/`,
    "with mixed slashes": `http:/\\${at}/`,
    "without slashes": `http:${at}/`,
    "with a tab in the scheme": `ht\ttp://${at}/`,
    "with a tab in the host": `http://${address.replace(".", "\t.")}:${port}/`,
    "with a line break in the host": `http://${address.replace(".", "\n.")}:${port}/`,
    "after blanks": `  http://${at}/`,
    "after a control character": `\u0001http://${at}/`,
    "with dots in its path": `http://${at}/../../etc/`,
    "with zeros before the port": `http://${address}:000${port}/`,
  };
}

function hostsOfV6(address: string): Record<string, string> {
  const full = expand(address);
  return {
    "as it is": address,
    "in capitals": address.toUpperCase(),
    "in full": full.join(":"),
    "in full with zeros": full.map((part) => part.padStart(4, "0")).join(":"),
    "with four bytes as IPv4": `${full.slice(0, 6).join(":")}:${full
      .slice(6)
      .flatMap((part) => [Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 255])
      .join(".")}`,
    "with a zone": `${address}%25lo`,
    "with a bare zone": `${address}%lo`,
    "percent-encoded": address.replaceAll(":", "%3a"),
  };
}

function expand(address: string): string[] {
  const [before = "", after = ""] = address.split("::");
  const [head, tail] = [before, after].map((text) => text.split(":").filter((part) => part !== "")) as [string[], string[]];
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => "0"), ...tail];
}

/** Answers of a resolver that must be refused, in the spelling of getaddrinfo. */
export function forbiddenAnswers(): { address: string; family: number }[] {
  const bare = Object.fromEntries(FORBIDDEN_V4.map((address) => [address, Object.values(hostsOfV4(address))]));
  const embedded = Object.values(bare)
    .flat()
    .filter((host) => host.startsWith("["))
    .map((host) => host.slice(1, -1).replace("%25", "%"));
  return [
    ...FORBIDDEN_V4.map((address) => ({ address, family: 4 })),
    ...[...FORBIDDEN_V6, ...FORBIDDEN_V6.map((address) => `${address}%eth0`), ...embedded].map((address) => ({ address, family: 6 })),
  ];
}

/** Addresses that are allowed: neighbours of the forbidden ranges, well-known services, and odd spellings of both. */
export const PUBLIC_HOSTS = [
  "8.8.8.8",
  "1.1.1.1",
  "93.184.216.34",
  "9.255.255.255",
  "11.0.0.0",
  "1.0.0.0",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.0",
  "168.63.129.15",
  "168.63.129.17",
  "169.253.255.255",
  "169.255.0.0",
  "172.15.255.255",
  "172.32.0.0",
  "191.255.255.255",
  "192.0.1.0",
  "192.0.3.0",
  "192.88.98.255",
  "192.88.100.0",
  "192.167.255.255",
  "192.169.0.0",
  "198.17.255.255",
  "198.20.0.0",
  "198.51.99.255",
  "198.51.101.0",
  "203.0.112.255",
  "203.0.114.0",
  "223.255.255.255",
  "8.8.8.8.",
  "134744072",
  "0x08080808",
  "010.8.8.8",
  "0x8.8.8.8",
  "8.8.2056",
  "8.526344",
  "８.８.８.８",
  "8。8。8。8",
  "%38.8.8.8",
  "[2606:4700:4700::1111]",
  "[2A00:1450:4001:81B::200E]",
  "[2001:4860:4860:0:0:0:0:8888]",
  "[2001:200::1]",
  "[2003::1]",
  "[2400:cb00::1]",
  "[2c00::1]",
  "[2001:4860:4860::8.8.8.8]",
  "[::ffff:8.8.8.8]",
  "[::ffff:808:808]",
  "shop.example",
  "SHOP.EXAMPLE",
  "shop.example.",
  "bücher.example",
  "xn--bcher-kva.example",
  "images.shop.example",
  "127.0.0.1.shop.example",
  "localhost.shop.example",
  "10.example",
  "a_b.shop.example",
] as const;
