import { HEADER_NAME, HEADER_VALUE, trimBlanks } from "./grammar.ts";
import { ProtocolError } from "./protocol-error.ts";

export type Head = {
  status: number;
  /** By lower-case name. Of a header that came more than once the first counts, except where HTTP makes it a list. */
  headers: Readonly<Record<string, string | undefined>>;
  /** The server said HTTP/1.1, which keeps a connection unless told otherwise. */
  isHttp11: boolean;
};

/** Node's own limit for a head. */
export const HEAD_BYTES_MAX = 16 * 1024;
const HEADERS_MAX = 2_000;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const PREFIX = "HTTP/1.";
/** Of what decides where a message ends, two different values are refused; these are lists. */
const LISTS: ReadonlySet<string> = new Set(["transfer-encoding", "connection", "content-encoding"]);

/** Whether this can be the beginning of a head: anything else is told at once, and not after a deadline. */
export function mayBeHead(text: string): boolean {
  return text.length < PREFIX.length ? PREFIX.startsWith(text) : text.startsWith(PREFIX);
}

/** Reads status line and headers, given without the empty line that ends them. Throws ProtocolError. */
export function parseHead(text: string): Head {
  const [statusLine = "", ...lines] = text.split("\r\n");
  const [, minor, status] = STATUS_LINE.exec(statusLine) ?? [];
  if (status === undefined) throw new ProtocolError("the first line is no status line");
  if (lines.length > HEADERS_MAX) throw new ProtocolError(`there are more than ${HEADERS_MAX} headers`);
  const headers: Record<string, string | undefined> = Object.create(null);
  for (const line of lines) addHeader(headers, line);
  return { status: Number(status), headers, isHttp11: minor === "1" };
}

/** Whether the server keeps the connection after this answer, if nothing is left of it (RFC 9112 §9.3, and §6.1 of chunks by HTTP/1.0). */
export function keepsConnection({ status, headers, isHttp11 }: Head): boolean {
  const connection = headers["connection"]?.toLowerCase() ?? "";
  if (connection.includes("close") || status === 101) return false;
  return isHttp11 || (connection.includes("keep-alive") && headers["transfer-encoding"] === undefined);
}

/** Throws ProtocolError, also for a line that begins with a blank and would continue the one before it, as HTTP once had it. */
export function parseHeader(line: string): { name: string; value: string } {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(0, colon)).toLowerCase();
  const given = line.slice(colon + 1);
  if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(given)) throw new ProtocolError("a header line is malformed");
  return { name, value: trimBlanks(given) };
}

function addHeader(headers: Record<string, string | undefined>, line: string): void {
  const { name, value: given } = parseHeader(line);
  const value = name === "content-length" ? onceOf(given) : given;
  const before = headers[name];
  if (before === undefined) headers[name] = value;
  else if (LISTS.has(name)) headers[name] = `${before}, ${value}`;
  else if (name === "content-length" && before !== value) throw new ProtocolError("there are two Content-Lengths");
}

/** A length that is said more than once counts where it is the same each time (RFC 9112 §6.3). Who reads it gets one number. */
function onceOf(lengths: string): string {
  const [first = "", ...others] = lengths.split(",").map(trimBlanks);
  return others.every((length) => length === first) ? first : lengths;
}
