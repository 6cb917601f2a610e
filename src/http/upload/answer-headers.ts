import type { BatchRow } from "../../db/batches.ts";
import type { Taken } from "./take-upload.ts";

/** What goes with the answer to an upload, for the document. */
export const ACCEPTED_HEADERS = {
  Location: { type: "string", format: "uri", description: "Where the batch can be followed." },
  "Retry-After": { type: "integer", description: "Seconds until a first look is worth it; absent where the batch has ended already." },
  "Idempotency-Replayed": {
    type: "boolean",
    description: "`true` where an earlier upload with this Idempotency-Key became this batch; absent otherwise.",
  },
};

/** The headers themselves; `location` is where this route's clients follow the batch. */
export function acceptedHeaders({ batch, isReplay }: Taken, location: string): Record<string, string> {
  return {
    location,
    ...followHeaders(batch),
    ...(isReplay ? { "idempotency-replayed": "true" } : {}),
  };
}

/** What goes with how a batch stands, for the document. */
export const FOLLOW_HEADERS = {
  "Retry-After": { type: "integer", description: "Seconds until another look is worth it; absent once the batch has ended." },
};

/** The headers themselves. */
export function followHeaders({ finishedAt }: Pick<BatchRow, "finishedAt">): Record<string, string> {
  return { "cache-control": "no-store", ...(finishedAt === null ? { "retry-after": "1" } : {}) };
}
