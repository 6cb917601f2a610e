/**
 * Retry-After as RFC 9110 §10.2.3 has it: seconds, or an HTTP date. Undefined where it is neither. A date is read by the clock that made it,
 * where the answer tells its time (`date`): with ours ten minutes behind, five seconds would be ten minutes.
 */
export function parseRetryAfterMs(value: string | undefined, date: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  // However many: what they mean at most is for the caller to say.
  if (/^\d+$/.test(value.trim())) return Number(value.trim()) * 1_000;
  const until = parseDate(value);
  return until === undefined ? undefined : Math.max(0, until - (parseDate(date) ?? nowMs));
}

/** A date begins with the name of its day; Date.parse would take many other words for one. */
function parseDate(value: string | undefined): number | undefined {
  const ms = value !== undefined && /^\s*[A-Z][a-z]{2,8},? /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
