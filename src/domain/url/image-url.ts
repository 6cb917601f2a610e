import type { ImageCode } from "../image/image-code.ts";

/** Longer than any browser or CDN accepts (the common limits are 2,048 to 8,192). */
export const URL_LENGTH_MAX = 8_192;

const SEPARATORS = /[\s,;|]+/g;
export const WEB_ADDRESS = /^https?:\/\//i;
const FURTHER_ADDRESS = /[\s,;|]https?:\/\//i;
/** `//host/path`, which takes its scheme from the page around it. */
const SCHEMELESS = /^\/\/[^/\\\s,;|]/;

/**
 * How a cell holds URLs. `single`: all of it is one URL, unless it is several whole addresses side by side. `list`: several,
 * separated as people do it. `lines`: one on each line.
 */
export type UrlCell = "single" | "list" | "lines";

/**
 * Where the items of a cell begin and end. Text that does not look like a URL is an item too, so that positions hold.
 *
 * In a `list` a new URL begins where separators are followed by http:// or https://, or by // where the one before began
 * with that too. A comma or a space alone does not end a URL: image CDNs use commas (`/w_200,h_100/a.jpg`), and people leave
 * spaces in file names. A comma and a space together do, since a word of its own follows (`https://…/a.jpg, n/a`). It is one
 * pass: regular expressions that look ahead took seconds for a cell of 40,000 spaces.
 */
export function findUrlSpans(cell: string, kind: UrlCell): [start: number, end: number][] {
  switch (kind) {
    case "single":
      return addressSpans(cell) ?? trimmedSpan(cell, 0);
    case "lines":
      return lineSpans(cell);
    case "list":
      return listSpans(cell);
    default:
      return kind satisfies never;
  }
}

/** For a `single` cell: a shop takes one image there, but scrapers and apps that write its format put several. */
function addressSpans(cell: string): [number, number][] | null {
  if (!FURTHER_ADDRESS.test(cell)) return null;
  const spans = listSpans(cell);
  return spans.every(([start]) => WEB_ADDRESS.test(cell.slice(start, start + 8))) ? spans : null;
}

function lineSpans(cell: string): [number, number][] {
  let start = 0;
  return cell.split("\n").flatMap((line) => {
    const span = trimmedSpan(line, start);
    start += line.length + 1;
    return span;
  });
}

function listSpans(cell: string): [number, number][] {
  const spans: [number, number][] = [];
  let start = 0;
  let end = 0;
  const take = () => {
    if (end > start) spans.push([start, end]);
  };
  for (const { 0: run, index } of cell.matchAll(SEPARATORS)) {
    const next = index + run.length;
    if (index > start) end = index;
    const isWithin = end > start && next < cell.length && !isBoundary(cell, start, index, run);
    if (isWithin) continue;
    take();
    start = next;
    end = next;
  }
  if (start < cell.length) end = cell.length;
  take();
  return spans;
}

function trimmedSpan(text: string, offset: number): [number, number][] {
  const start = text.length - text.trimStart().length;
  const end = text.trimEnd().length;
  return end > start ? [[offset + start, offset + end]] : [];
}

function isBoundary(cell: string, start: number, index: number, run: string): boolean {
  const next = cell.slice(index + run.length, index + run.length + 8);
  // WooCommerce writes a comma within a URL as `\,`.
  if (cell[index - 1] === "\\" && run === ",") return false;
  if (WEB_ADDRESS.test(next)) return true;
  const first = cell.slice(start, start + 8);
  const isSchemeless = SCHEMELESS.test(first);
  if (isSchemeless && SCHEMELESS.test(next)) return true;
  const hasMark = /[,;|\n\r]/.test(run);
  return isSchemeless || WEB_ADDRESS.test(first) ? hasMark && /\s/.test(run) : hasMark;
}

type ParsedUrl = { ok: true; href: string } | { ok: false; code: Extract<ImageCode, "url_invalid">; message: string };

/** Whether an item is an address that could be fetched: absolute, http or https, without credentials. */
export function parseImageUrl(text: string): ParsedUrl {
  const refuse = (why: string): ParsedUrl => ({
    ok: false,
    code: "url_invalid",
    message: `Expected an absolute http or https URL, got ${excerpt(text)}${why}.`,
  });
  if (text.length > URL_LENGTH_MAX) return refuse(`, which has ${text.length} characters of at most ${URL_LENGTH_MAX}`);
  // The URL parser would drop tabs and newlines silently, and with them the difference between two URLs.
  if (/[\u0000-\u001F\u007F]/.test(text)) return refuse(", which holds a control character");
  if (!WEB_ADDRESS.test(text)) return refuse("");
  const url = URL.parse(text);
  if (url === null) return refuse(", which cannot be parsed");
  if (url.username !== "" || url.password !== "") {
    return { ok: false, code: "url_invalid", message: "The URL holds a user name or password; use a signed URL instead." };
  }
  if (text.includes("#")) url.hash = "";
  return { ok: true, href: url.href };
}

/** For showing a URL: its query can hold a signature. */
export function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, "?…");
}

/**
 * The beginning of what should be a URL, without what can be secret in it: a password before an @, a query. The end of a signed link that
 * was broken in two is no URL either, and it has no ? before its signature.
 */
export function beginningOf(text: string): string {
  const shown = text.replace(/^([a-z][a-z0-9+.-]+:\/*|\/\/).*@/is, "$1…@").replace(/([?#&=]).*$/s, "$1…");
  // A pair of surrogates cut in two would be refused by the database.
  return (shown.length > 100 ? `${shown.slice(0, 100)}…` : shown).toWellFormed();
}

/** The same in quotes. */
export function excerpt(text: string): string {
  return `"${beginningOf(text)}"`;
}
