import { putLast } from "../../domain/forget-oldest.ts";
import { GIVING_MS } from "../../domain/load/host-answers.ts";
import { nextStrike, PAUSE_FRESH_MS } from "../../domain/load/host-pause.ts";
import type { StageFailure } from "../../domain/image/stage-result.ts";
import { withPause, type PausedHost } from "./paused-host.ts";

/**
 * Batches that a host gives nothing while it gives others something. Each is paused there by itself, as if it had the host alone: were the host
 * paused for all, others would get an image or two between its pauses. Known to this process alone, as another sees the same of its downloads.
 */
type BatchesApart = {
  find(key: string, batchId: string): PausedHost | undefined;
  onGiven(key: string, batchId: string, now: number): void;
  /** An image of the batch failed. Returns whether the batch is apart: then that says nothing of the host. */
  onFailed(key: string, batchId: string, failure: StageFailure, now: number): boolean;
  /**
   * Takes these batches apart, which the last failures in a row are of, where the host gave another one something lately; returns whether it
   * did. Not twice without an
   * answer between, or a host that died would get twenty requests from each batch.
   */
  takeApart(key: string, batchIds: ReadonlySet<string>, failure: StageFailure, now: number): boolean;
};

/** Hosts that gave something, and batches apart; beyond, the one of which nothing was heard for longest is forgotten. */
const KNOWN_MAX = 10_000;

export function createBatchesApart(): BatchesApart {
  const gave = new Map<string, { batchId: string; at: number }>();
  const apart = new Map<string, PausedHost>();
  const nameOf = (key: string, batchId: string) => `${key} ${batchId}`;
  const strike = (key: string, batchId: string, { code: reason, retry }: StageFailure, now: number) => {
    const known = apart.get(nameOf(key, batchId));
    const { strikes, pauseMs } = nextStrike(known?.strikes ?? 0, !retry && known?.reason === reason);
    const paused = withPause(known, { remainingMs: pauseMs, reason, strikes, isAsked: false }, now);
    paused.turns.onFailed(batchId);
    putLast(apart, nameOf(key, batchId), paused, KNOWN_MAX);
  };
  return {
    find: (key, batchId) => (apart.size === 0 ? undefined : apart.get(nameOf(key, batchId))),
    onGiven(key, batchId, now) {
      apart.delete(nameOf(key, batchId));
      putLast(gave, key, { batchId, at: now }, KNOWN_MAX);
    },
    onFailed(key, batchId, failure, now) {
      const known = apart.get(nameOf(key, batchId));
      if (known === undefined) return false;
      if (known.until < now - PAUSE_FRESH_MS) {
        apart.delete(nameOf(key, batchId));
        return false;
      }
      // What had begun before its pause is known already.
      if (known.until <= now) strike(key, batchId, failure, now);
      return true;
    },
    takeApart(key, batchIds, failure, now) {
      const last = gave.get(key);
      if (last === undefined || now - last.at > GIVING_MS || batchIds.has(last.batchId)) return false;
      gave.delete(key);
      for (const batchId of batchIds) strike(key, batchId, failure, now);
      return true;
    },
  };
}
