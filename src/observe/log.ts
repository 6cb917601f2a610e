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
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: ["secret", "*.secret", "authorization", "databaseUrl"] },
    pino.destination({ dest: 2, sync: true }),
  );
}
