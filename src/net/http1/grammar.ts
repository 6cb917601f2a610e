/** What a header may hold (RFC 9110 §5.5, §5.6.2): nothing that could end its line and begin another. */
export const TOKEN = "[!#$%&'*+\\-.^_`|~\\dA-Za-z]+";
export const HEADER_NAME = new RegExp(`^${TOKEN}$`);
export const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Without the blanks around it that HTTP lets nobody see (RFC 9110 §5.6.3): `trim()` takes U+00A0 too, which is half of a letter in UTF-8. */
export function trimBlanks(value: string): string {
  let [from, to] = [0, value.length];
  while (from < to && isBlank(value, from)) from += 1;
  while (to > from && isBlank(value, to - 1)) to -= 1;
  return value.slice(from, to);
}

function isBlank(value: string, at: number): boolean {
  return value[at] === " " || value[at] === "\t";
}
