import pino from "pino";

/** What the rooms need of a logger: facts first, then a short constant sentence. */
export type Log = {
  error(facts: object, event: string): void;
  warn(facts: object, event: string): void;
  info(facts: object, event: string): void;
  debug(facts: object, event: string): void;
};

/** JSON lines on stderr, so that stdout stays free for what a person asked for. Secrets never reach it. */
export function createLog(level: string): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: ["secret", "*.secret", "authorization", "databaseUrl"],
      serializers: { err: describeError },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

/** Only these properties: libraries add others, such as pg the whole client with its connection's facts. */
function describeError(error: unknown): object {
  if (!isLikeError(error)) return { message: String(error) };
  const code = "code" in error ? { code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  return { type: error.name, message: error.message, ...code, stack: error.stack, ...cause };
}

/** pg-boss reports an error as a copy, which is no Error itself. */
function isLikeError(error: unknown): error is Error {
  return error instanceof Error || (typeof error === "object" && error !== null && "message" in error);
}
