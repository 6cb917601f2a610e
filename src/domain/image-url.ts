import type { ImageCode } from "./image-code.ts";

/** Longer than any browser or CDN accepts (the common limits are 2,048 to 8,192). */
export const URL_LENGTH_MAX = 8_192;

/**
 * A new URL begins where a separator is followed by http:// or https://, and nowhere else: image CDNs use commas
 * inside their URLs (`/w_200,h_100/a.jpg`).
 */
const BOUNDARY = /[\s,;|]+(?=https?:\/\/)/gi;
const EDGE = /^[\s,;|]+|[\s,;|]+$/g;

/** The items of a cell of URLs, trimmed. What does not look like a URL stays an item, so that it keeps its position. */
export function splitImageUrls(cell: string): string[] {
  const trimmed = cell.replaceAll(EDGE, "");
  return trimmed === "" ? [] : trimmed.split(BOUNDARY).flatMap(splitPlainWords);
}

/** Before the first URL of a cell there can be words that are none (`n/a, https://…` was split off already). */
function splitPlainWords(item: string): string[] {
  if (/^https?:\/\//i.test(item)) return [item];
  return item.split(/\s*[,;|\n]\s*/).filter((word) => word !== "");
}

export type ParsedUrl = { ok: true; href: string } | { ok: false; code: Extract<ImageCode, "url_invalid">; message: string };

/** Whether an item is an address that could be fetched: absolute, http or https, without credentials. */
export function parseImageUrl(text: string): ParsedUrl {
  const refuse = (why: string): ParsedUrl => ({ ok: false, code: "url_invalid", message: `Expected an absolute http or https URL, got ${excerpt(text)}${why}.` });
  if (text.length > URL_LENGTH_MAX) return refuse(`, which has ${text.length} characters of at most ${URL_LENGTH_MAX}`);
  // The URL parser would drop tabs and newlines silently, and with them the difference between two URLs.
  // eslint-disable-next-line no-control-regex -- control characters are what this looks for
  if (/[\u0000-\u001F\u007F]/.test(text)) return refuse(", which holds a control character");
  if (!/^https?:\/\//i.test(text)) return refuse("");
  if (!URL.canParse(text)) return refuse(", which cannot be parsed");
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    return { ok: false, code: "url_invalid", message: "The URL holds a user name or password; use a signed URL instead." };
  }
  url.hash = "";
  return { ok: true, href: url.href };
}

/** The query can hold a signature: it is never shown again. */
function excerpt(text: string): string {
  const shown = text.replace(/[?#].*$/s, "?…");
  return `"${shown.length > 100 ? `${shown.slice(0, 100)}…` : shown}"`;
}
