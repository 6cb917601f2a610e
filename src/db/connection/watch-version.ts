import { setTimeout as delay } from "node:timers/promises";
import { errorCode } from "../../domain/error-code.ts";
import type { Executor } from "./connect.ts";
import { findLastMigration, migratedByNewer, readNewestMigration } from "./migrate.ts";

type WatchOptions = {
  executor: Executor;
  /** Called once, with what there is to say; this process must stop. */
  onNewer(sentence: string): void;
  /** Called once where it is another database by now, or an earlier state of it; this process must stop. */
  onOther(): void;
  everyMs?: number;
  againMs?: number;
};

type VersionWatch = { look(): Promise<void>; stop(): void };

/** A look takes the server a millisecond at most. */
const LOOK_MS = 60_000;
/** A schema that is being put back, or a connection that led elsewhere for a moment, must not end a service. */
const AGAIN_MS = 5_000;
/** The server's answer where the table is missing, and where its schema is. */
const UNDEFINED_TABLE = "42P01";

/**
 * Looks each minute, or when it is told to, whether a newer version has migrated the database since. A process that went on would
 * fetch images for ever: what it writes names columns that are no more, so that their claims lapse and they are claimed again. A version
 * with another pg-boss, which migrates its tables itself, needs a migration of ours for it, if an empty one.
 *
 * Where the last migration is missing that was there at the start, the database was dropped and made anew, or an earlier backup of it was
 * brought back: every request would fail for ever, while the next start migrates it. That has to show at two looks, one after the other.
 */
export async function watchVersion({ executor, everyMs = LOOK_MS, againMs = AGAIN_MS, ...told }: WatchOptions): Promise<VersionWatch> {
  // Read now: an upgrade may lay its own files in the place of ours.
  const newest = await readNewestMigration();
  let looking: Promise<void> | null = null;
  let isStopped = false;
  const stop = () => {
    isStopped = true;
    clearInterval(timer);
  };
  const lookOnce = async () => {
    const last = await findLast(executor);
    if (last < newest) {
      await delay(againMs, undefined, { ref: false });
      if (isStopped || (await findLast(executor)) !== last) return;
    }
    if (isStopped || last === newest) return;
    stop();
    if (last > newest) told.onNewer(migratedByNewer(last));
    else told.onOther();
  };
  // One at a time, so that a database that hangs holds one connection. That it is away says nothing of its version, and others warn of it.
  const look = () =>
    (looking ??= lookOnce()
      .catch(() => {})
      .finally(() => (looking = null)));
  const timer = setInterval(look, everyMs).unref();
  return { look, stop };
}

/** 0 where none is recorded, or there is no table for them. */
async function findLast(executor: Executor): Promise<number> {
  return findLastMigration(executor).catch((error: unknown) => {
    if (errorCode(error) === UNDEFINED_TABLE) return 0;
    throw error;
  });
}
