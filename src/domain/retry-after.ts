/** Retry-After as RFC 9110 §10.2.3 has it: seconds, or an HTTP date. Undefined where it is neither. */
export function parseRetryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  // However many: what they mean at most is for the caller to say.
  if (/^\d+$/.test(value.trim())) return Number(value.trim()) * 1_000;
  // A date begins with the name of its day; Date.parse would take many other words for one.
  const date = /^\s*[A-Z][a-z]{2,8},? /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
