import type { Executor } from "../../db/connection/connect.ts";
import { readDatabaseTimeMs } from "../../db/connection/readiness.ts";
import type { Log } from "../../observe/log.ts";

type ClockWatchDeps = {
  executor: Executor;
  log: Pick<Log, "warn">;
  /** Milliseconds since 1970, by this machine's clock. */
  now: () => number;
};

/** Receivers refuse webhooks that were signed five minutes off; less than one is how clocks are that nobody keeps. */
const OFF_MS_MAX = 60_000;

/** Compares this machine's clock with the database's at each call, and warns once where they differ, until they agree again. */
export function createClockWatch({ executor, log, now }: ClockWatchDeps): () => Promise<void> {
  let isOff = false;
  return async () => {
    const sentMs = now();
    const databaseMs = await readDatabaseTimeMs(executor);
    const receivedMs = now();
    // The database looked at its clock some time between the two.
    const aheadMs = (sentMs + receivedMs) / 2 - databaseMs;
    const wasOff = isOff;
    isOff = Math.abs(aheadMs) - Math.abs(receivedMs - sentMs) / 2 > OFF_MS_MAX;
    if (isOff && !wasOff)
      log.warn(
        { aheadSeconds: Math.round(aheadMs / 1_000) },
        "this machine's clock and the database's differ; receivers refuse webhooks that are signed five minutes off",
      );
  };
}
