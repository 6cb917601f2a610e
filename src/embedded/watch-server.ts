import { setTimeout as delay } from "node:timers/promises";
import { findPostmaster, isAlive, type Postmaster } from "./postmaster.ts";

export type ServerWatch = {
  /** Of the server that runs, or ran last. */
  pid(): number;
  end(): Promise<void>;
};

type Launcher = () => Promise<{ postmaster: Postmaster }>;
type Watched = { postmaster: Postmaster; clusterDir: string; launch: Launcher; log: (message: string) => void };

const WATCH_MS = 1_000;
/** A server that does not start, as where the disk is full, is tried every second, and said so every ten. */
const REPEAT_MS = 10_000;

/** Keeps the server running while we run: one that was killed or stopped by hand is started again. */
export function watchServer({ postmaster, clusterDir, launch, log }: Watched): ServerWatch {
  let { pid } = postmaster;
  let saidAt = -Infinity;
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      await delay(WATCH_MS, undefined, { signal: over.signal }).catch(() => {});
      if (over.signal.aborted || isAlive(pid)) continue;
      try {
        const running = findPostmaster(clusterDir) ?? (await launch()).postmaster;
        pid = running.pid;
        saidAt = -Infinity;
        log(`The embedded PostgreSQL was gone and runs again as process ${pid}.`);
      } catch (error) {
        if (performance.now() - saidAt < REPEAT_MS) continue;
        saidAt = performance.now();
        log(`The embedded PostgreSQL is gone and does not start: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  })();
  return {
    pid: () => pid,
    async end() {
      over.abort();
      await watching;
    },
  };
}
