import type { Log } from "./log.ts";

export type Warn = (error: unknown, event: string, facts?: Readonly<Record<string, string>>) => void;

/** While the database is away each claim, settle and heartbeat fails, up to three times a second and process. */
const REPEAT_MS = 10_000;
/** Codes and sentences of errors that are known are few; beyond, all are said again. */
const SAID_MAX = 1_000;
/** Which of its workers met an error, as pg-boss appends it: by that the same fault would be another for each of them. */
const WHOSE = / \(Queue: [^)]*\)$/;

/**
 * Warns of errors. What is known and passes by itself is said without its stack, and again after REPEAT_MS at the earliest, with
 * how many times it was left out; what is not known is said each time with all there is.
 */
export function createCalmWarn(options: { log: Pick<Log, "warn">; isKnown(error: unknown): boolean; now?: () => number }): Warn {
  const { log, isKnown, now = () => performance.now() } = options;
  const said = new Map<string, { at: number; leftOut: number }>();
  return (error, event, facts = {}) => {
    if (!isKnown(error)) return log.warn({ ...facts, err: error }, event);
    const { name, message, code } = error as Error & { code?: string };
    const key = JSON.stringify([event, facts, code ?? message.replace(WHOSE, "")]);
    const last = said.get(key);
    if (last && now() - last.at < REPEAT_MS) return void (last.leftOut += 1);
    if (said.size >= SAID_MAX) said.clear();
    said.set(key, { at: now(), leftOut: 0 });
    log.warn({ ...facts, err: { name, message, code }, ...(last?.leftOut ? { leftOut: last.leftOut } : {}) }, event);
  };
}

/** What fails for one job can fail for ten thousand, which are all run again. */
const KIND_MS = 60_000;

/** Warns of each kind of error, which is its event, its facts and its code or else its name, once a minute at most. */
export function warnEachMinute(warn: Warn, now = () => performance.now()): Warn {
  const said = new Map<string, number>();
  return (error, event, facts = {}) => {
    const { code, name } = Object(error) as Partial<Error & { code: string }>;
    const key = JSON.stringify([event, facts, code ?? name]);
    const last = said.get(key);
    if (last !== undefined && now() - last < KIND_MS) return;
    said.set(key, now());
    warn(error, event, facts);
  };
}
