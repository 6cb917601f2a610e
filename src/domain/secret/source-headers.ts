/** Headers for one protected origin, named exactly: `images.shop.example`, or `images.shop.example:8443`. */
export type SourceHeaders = { host: string; headers: Record<string, string> };

export const HEADER_HOSTS_MAX = 10;
const HEADERS_PER_HOST_MAX = 10;
/** For all hosts together, as JSON. A bearer token has some 1,000 characters. */
export const SOURCE_HEADERS_CHARS_MAX = 4_096;

/** A token of RFC 9110 §5.6.2 that begins with a letter, as every registered name does. */
const NAME = /^[a-z][a-z0-9!#$%&'*+.^_`|~-]{0,99}$/;
/** Visible characters with blanks between. A line break in a value would begin another header. */
const VALUE = /^[!-~](?:[ \t!-~]*[!-~])?$/;
/** Headers that say where a message goes or how it is framed, and those on which our own reading of the answer rests. */
const REFUSED = new Set([
  "host",
  "connection",
  "keep-alive",
  "upgrade",
  "transfer-encoding",
  "te",
  "trailer",
  "expect",
  "via",
  "forwarded",
  "http2-settings",
  "cookie2",
  "accept-encoding",
  "range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
]);
const REFUSED_FAMILY = /^(proxy-|content-|sec-|x-forwarded-)/;

export function isHeaderValue(text: string): boolean {
  return VALUE.test(text);
}

type ReadHeaders = { ok: true; value: SourceHeaders[] } | { ok: false; faults: string[] };

/** Returns the hosts as URLs have them and the names in lower case, or every fault. A fault never repeats the value of a header. */
export function readSourceHeaders(given: readonly SourceHeaders[]): ReadHeaders {
  const faults: string[] = [];
  const value = given.map(({ host, headers }, index) => {
    const place = `number ${index + 1}`;
    const known = normalHost(host);
    if (known === null)
      faults.push(
        `Expected host of ${place} as a host with or without a port, such as images.shop.example, without scheme, path, user or *.`,
      );
    const entries = Object.entries(headers).map(([name, text]) => [name.toLowerCase(), text.trim()] as const);
    if (entries.length === 0 || entries.length > HEADERS_PER_HOST_MAX)
      faults.push(`Expected 1 to ${HEADERS_PER_HOST_MAX} headers in ${place}, got ${entries.length}.`);
    if (new Set(entries.map(([name]) => name)).size < entries.length)
      faults.push(`Expected each header of ${place} once, whatever its capitals.`);
    for (const [position, [name, text]] of entries.entries()) {
      const fault = findHeaderFault(name, text);
      if (fault !== null) faults.push(`Header ${position + 1} of ${place}: ${fault}`);
    }
    return { host: known ?? "", headers: Object.fromEntries(entries) };
  });
  if (given.length > HEADER_HOSTS_MAX) faults.push(`Expected at most ${HEADER_HOSTS_MAX} hosts, got ${given.length}.`);
  if (new Set(value.map(({ host }) => host)).size < value.length) faults.push("Expected each host once.");
  const { length } = JSON.stringify(given);
  if (length > SOURCE_HEADERS_CHARS_MAX) faults.push(`Expected at most ${SOURCE_HEADERS_CHARS_MAX} characters of JSON, got ${length}.`);
  return faults.length > 0 ? { ok: false, faults } : { ok: true, value };
}

/** The headers for exactly the host and port of a URL; null where there are none. */
export function headersFor(given: readonly SourceHeaders[], { host }: URL): Record<string, string> | null {
  return given.find((entry) => entry.host === host)?.headers ?? null;
}

function findHeaderFault(name: string, value: string): string | null {
  if (!NAME.test(name)) return "expected a name of a header, such as authorization.";
  if (REFUSED.has(name) || REFUSED_FAMILY.test(name)) return `${name} is set by Pressrun itself; leave it out.`;
  return isHeaderValue(value) ? null : `expected the value of ${name} in visible ASCII on one line.`;
}

/** As `URL.host` gives it for https: in lower case, mapped by IDNA, without the port 443. */
function normalHost(text: string): string | null {
  if (text === "" || /[\s/\\?#@%*,]/.test(text) || !URL.canParse(`https://${text}/`)) return null;
  return new URL(`https://${text}/`).host;
}
