import { HEADER_NAME, HEADER_VALUE } from "./grammar.ts";

const TARGET = /^\/[\x21-\x7e]*$/;

/** The text of a GET without a body. Throws TypeError for what cannot be sent in a header. */
export function formatRequest(url: URL, headers: Readonly<Record<string, string>>): string {
  const target = url.pathname + url.search;
  if (!TARGET.test(target)) throw new TypeError("the URL cannot be asked for");
  let text = `GET ${target} HTTP/1.1\r\nhost: ${url.host}\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value)) throw new TypeError(`the header ${name} cannot be sent`);
    text += `${name}: ${value}\r\n`;
  }
  return `${text}connection: keep-alive\r\n\r\n`;
}
