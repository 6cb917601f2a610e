import { isHeaderValue } from "./source-headers.ts";

/** A bearer token has some 1,000 characters; servers take 8,000 for all headers together. */
export const AUTHORIZATION_CHARS_MAX = 2_000;

/** Null where the value is a good Authorization header, else one sentence that says what is expected and never repeats it. */
export function findAuthorizationFault(value: string): string | null {
  if (value.length > AUTHORIZATION_CHARS_MAX) return `Expected at most ${AUTHORIZATION_CHARS_MAX} characters, got ${value.length}.`;
  return isHeaderValue(value)
    ? null
    : 'Expected the value of an Authorization header in visible ASCII on one line, such as "Bearer …" or "Basic …".';
}
