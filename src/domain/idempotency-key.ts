export const IDEMPOTENCY_KEY_CHARS_MAX = 255;
/** Visible ASCII: it stands in a header, and in our logs and answers. */
const KEY = /^[\x21-\x7e]+$/;

/**
 * The name that a client gives to one upload, so that it can be sent again without being done again: draft-ietf-httpapi-idempotency-key-header,
 * a string in quotes there, without them wherever the header is older than the draft. Null where it is neither.
 */
export function parseIdempotencyKey(header: string): string | null {
  const key = /^"(.*)"$/.exec(header)?.[1] ?? header;
  return KEY.test(key) && key.length <= IDEMPOTENCY_KEY_CHARS_MAX ? key : null;
}
