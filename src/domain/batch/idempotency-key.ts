export const IDEMPOTENCY_KEY_CHARS_MAX = 255;

/** A string of RFC 9651 §3.3.3, as draft-ietf-httpapi-idempotency-key-header has it; parameters behind it are ignored. */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"(?:;[\x20-\x7e]*)?$/;
/** The same without quotes, as services took it before the draft: visible ASCII without `"`, and without the comma that joins two headers. */
const BARE = /^[\x21\x23-\x2b\x2d-\x7e]+$/;

/** The key that the header holds; null where it holds none. */
export function parseIdempotencyKey(header: string): string | null {
  const [, quoted] = QUOTED.exec(header) ?? [];
  const name = quoted === undefined ? (BARE.exec(header)?.[0] ?? null) : quoted.replaceAll(/\\(.)/g, "$1");
  return name !== null && name.length <= IDEMPOTENCY_KEY_CHARS_MAX ? name : null;
}
