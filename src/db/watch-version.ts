import type { Executor } from "./connect.ts";
import { findLastMigration, migratedByNewer, readNewestMigration } from "./migrate.ts";

type WatchOptions = {
  executor: Executor;
  /** Called once, with what there is to say; this process must stop. */
  onNewer(sentence: string): void;
  everyMs?: number;
};

export type VersionWatch = { look(): Promise<void>; stop(): void };

/** A look takes the server a millisecond at most. */
const LOOK_MS = 60_000;

/**
 * Looks each minute, or when it is told to, whether a newer version has migrated the database since. A process that went on would
 * fetch images for ever: what it writes names columns that are no more, so that their claims lapse and they are claimed again. A version
 * with another pg-boss, which migrates its tables itself, needs a migration of ours for it, if an empty one.
 */
export async function watchVersion({ executor, onNewer, everyMs = LOOK_MS }: WatchOptions): Promise<VersionWatch> {
  // Read now: an upgrade may lay its own files in the place of ours.
  const newest = await readNewestMigration();
  let looking: Promise<void> | null = null;
  let isStopped = false;
  const stop = () => {
    isStopped = true;
    clearInterval(timer);
  };
  const lookOnce = async () => {
    const last = await findLastMigration(executor);
    if (isStopped || last <= newest) return;
    stop();
    onNewer(migratedByNewer(last));
  };
  // One at a time, so that a database that hangs holds one connection. That it is away says nothing of its version, and others warn of it.
  const look = () =>
    (looking ??= lookOnce()
      .catch(() => {})
      .finally(() => (looking = null)));
  const timer = setInterval(look, everyMs).unref();
  return { look, stop };
}
