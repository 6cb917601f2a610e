import { createHash } from "node:crypto";

/** For whom a host is asked. `sourceMark` tells the headers of a batch for `sourceHosts` from those of other batches. */
export type Asker = { batchId: string; sourceHosts?: readonly string[] | null; sourceMark?: string | null };

/** As much of a hash as tells the headers of a few thousand batches apart. */
const MARK_LENGTH = 16;

/**
 * Under which key a host is paused: its name, which holds no space, and where the asker has headers for it, a mark of these. A host that refuses
 * somebody's credentials says nothing of who shows others, or none. The view report.backlog makes the same key.
 */
export function pauseKey(host: string, { sourceHosts, sourceMark }: Asker): string {
  if (!sourceMark || !sourceHosts?.includes(host)) return host;
  return `${host} ${createHash("sha256").update(sourceMark).digest("hex").slice(0, MARK_LENGTH)}`;
}
