import { URL_LENGTH_MAX } from "./image-url.ts";

/** A host in lower case, without port or credentials, that is no number; a label of `xn--` would have to be decoded to be checked. */
const HOST = String.raw`(?:(?!xn--)[a-z0-9-]+\.)+(?!xn--)[a-z]+`;
/** No segment that begins with a dot, as `.` and `..` do, and no `%`, since `%2e` is a dot as well. */
const PATH = String.raw`(?:/(?!\.)[\w\-.~!$&'()*+,=:@]*)+`;
/** Without `'`, which the URL parser encodes in a query but not in a path. */
const QUERY = String.raw`(?:\?[\w\-.~!$&()*+,=:@/?%]*)?`;
const PLAIN = new RegExp(`^https?://${HOST}${PATH}${QUERY}$`);

/**
 * Whether an address is surely written as the URL parser (https://url.spec.whatwg.org/) would write it, and needs no cleaning
 * (it has no `;` of an entity, and no `\` of an escaped comma). Most addresses are written so, and half of the time that
 * reading a catalogue took was spent in parsing them.
 */
export function isPlainUrl(text: string): boolean {
  return text.length <= URL_LENGTH_MAX && PLAIN.test(text);
}
