/**
 * The code that Node, a library or PostgreSQL gave an error, such as `ENOENT` or `42P01`; "" where it has none. What Node 24 has no name for
 * has the system's.
 */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return "";
  return UNKNOWN.test(error.code) && "errno" in error ? (NAMES.get(error.errno) ?? error.code) : error.code;
}

/** As `writeSync` says it, and as `write` does. */
const UNKNOWN = /^(UNKNOWN$|Unknown system error)/;

/** On Linux, then on macOS and BSD. */
const NAMES: ReadonlyMap<unknown, string> = new Map([
  [-122, "EDQUOT"],
  [-116, "ESTALE"],
  [-69, "EDQUOT"],
  [-70, "ESTALE"],
]);
