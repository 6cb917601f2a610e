import { endAtOnce } from "./end-process.ts";

/** 128 plus the number of the signal, as shells have it. */
const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

type Interruption = { signal: AbortSignal; exitCode: number; end(): void };

/**
 * Aborts at the first signal; at the second the process ends at once, for those who do not want to wait. SIGHUP comes twice by itself, from
 * the shell and from the kernel.
 */
export function watchForInterruption(onFirst: () => void): Interruption {
  const aborting = new AbortController();
  const watched = { signal: aborting.signal, exitCode: 0, end: () => {} };
  const listeners = Object.entries(CODES).map(([name, code]) => {
    const listener = () => {
      if (aborting.signal.aborted) return name === "SIGHUP" ? undefined : void endAtOnce(code);
      watched.exitCode = code;
      aborting.abort();
      onFirst();
    };
    process.on(name, listener);
    return [name, listener] as const;
  });
  watched.end = () => {
    for (const [name, listener] of listeners) process.off(name, listener);
  };
  return watched;
}
