import { forgetOldest } from "../forget-oldest.ts";
import { FAILURES_MAX } from "./host-pause.ts";

/** The failures of hosts that gave nothing since the first of them. */
type FailuresInARow = {
  /** One more, `isBusy` where it is a 503. The batches of them all, where they are so many in a row that the host is to be paused. */
  onFailed(host: string, failure: { batchId: string; isBusy: boolean; at: number }): readonly string[] | null;
  /** Those that were counted, and this one, are in a row no more. */
  end(host: string, batchId: string): readonly string[];
  onGiven(host: string): void;
};

/** Hosts whose failures are counted; beyond, that of the one that failed longest ago begins anew. */
const HOSTS_MAX = 10_000;
/** Of what is asked for at once, a limit of requests refuses all but one, and gives that after them: such are no failures in a row yet. */
const BUSY_MS_MIN = 1_000;

export function createFailuresInARow(): FailuresInARow {
  const rows = new Map<string, { since: number; batchIds: readonly string[] }>();
  const end = (host: string, batchId: string) => {
    const batchIds = [...(rows.get(host)?.batchIds ?? []), batchId];
    rows.delete(host);
    return batchIds;
  };
  return {
    onFailed(host, { batchId, isBusy, at }) {
      const since = rows.get(host)?.since ?? at;
      const batchIds = end(host, batchId);
      if (batchIds.length >= FAILURES_MAX && !(isBusy && at - since < BUSY_MS_MIN)) return batchIds;
      rows.set(host, { since, batchIds });
      forgetOldest(rows, HOSTS_MAX);
      return null;
    },
    end,
    onGiven: (host) => void rows.delete(host),
  };
}
