import { HEADER_NAME, HEADER_VALUE } from "./grammar.ts";

const TARGET = /^\/[\x21-\x7e]*$/;

/** The text of a GET without a body. Throws TypeError for what cannot be sent in a header. */
export function formatRequest(url: URL, headers: Readonly<Record<string, string>>): string {
  const target = targetOf(url);
  if (!TARGET.test(target)) throw new TypeError("the URL cannot be asked for");
  let text = `GET ${target} HTTP/1.1\r\nhost: ${url.host}\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value)) throw new TypeError(`the header ${name} cannot be sent`);
    text += `${name}: ${value}\r\n`;
  }
  return `${text}connection: keep-alive\r\n\r\n`;
}

/**
 * From `href`, since `search` is as empty for `/a.jpg?` as for `/a.jpg`: these are two URLs (RFC 3986 §6.2.3), and browsers and curl ask for
 * them as two. A host has at least one character, so that no slash of `https://` is at 8 or behind it.
 */
function targetOf({ href }: URL): string {
  const start = href.indexOf("/", 8);
  const end = href.indexOf("#", start);
  return end === -1 ? href.slice(start) : href.slice(start, end);
}
