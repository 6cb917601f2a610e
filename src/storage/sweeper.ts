import type { Log } from "../observe/log.ts";
import { answerInTime } from "./answer-in-time.ts";

type SweeperDeps = {
  sweep(): Promise<void>;
  log: Pick<Log, "warn">;
};

/** A killed process leaves gigabytes, and where others live on its machine, none may start for months. */
const SWEEP_MS = 60_000;

/** Sweeps at once, and then each minute. That the disk is away, or a folder cannot be removed, ends nothing; it is said once. */
export async function startSweeper({ sweep, log }: SweeperDeps): Promise<{ stop(): Promise<void> }> {
  let isFailing = false;
  let sweeping: Promise<void> | null = null;
  const sweepOnce = async () => {
    try {
      await sweep();
      isFailing = false;
    } catch (err) {
      if (!isFailing) log.warn({ err }, "temporary files of dead processes cannot be removed");
      isFailing = true;
    }
  };
  // One at a time: a disk that hangs would take a pool thread each minute.
  const look = () => (sweeping ??= sweepOnce().finally(() => (sweeping = null)));
  await look();
  const timer = setInterval(look, SWEEP_MS);
  return {
    async stop() {
      clearInterval(timer);
      if (sweeping) await answerInTime(sweeping);
    },
  };
}
