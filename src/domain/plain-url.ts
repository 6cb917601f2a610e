import { URL_LENGTH_MAX } from "./image-url.ts";

/** No upper case, port, credentials or number for a host; a label of `xn--` would have to be decoded to be checked. */
const HOST = String.raw`(?:(?!xn--)[a-z0-9-]+\.)+(?!xn--)[a-z]+`;
/** Neither `.` nor `..` can begin with anything but a dot, once `%` (for `%2e`) is left out. */
const PATH = String.raw`(?:/(?!\.)[\w\-.~!$&'()*+,=:@]*)+`;
/** The query of an address on the web has `'` encoded, its path has not. */
const QUERY = String.raw`(?:\?[\w\-.~!$&()*+,=:@/?%]*)?`;
const PLAIN = new RegExp(`^https?://${HOST}${PATH}${QUERY}$`);

/**
 * Whether an address surely is what the URL parser (https://url.spec.whatwg.org/) would write for it, and nothing in
 * it could be mended: most are. Half of the time that reading a catalogue took was spent in parsing them. Without a
 * `;` there is no entity, without a `\` no escaped comma.
 */
export function isPlainUrl(text: string): boolean {
  return text.length <= URL_LENGTH_MAX && PLAIN.test(text);
}
