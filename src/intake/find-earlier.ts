import type { IdempotencyKey, KeyedUpload } from "../db/idempotency-keys.ts";
import type { Acceptance } from "./acceptance.ts";

export type FindKeyedUpload = (name: string) => Promise<KeyedUpload | null>;

/** The batch that the same upload became before, or a refusal where its key came with another upload; null where the key is new. */
export async function findEarlier(find: FindKeyedUpload, { name, digest }: IdempotencyKey): Promise<Acceptance | null> {
  const found = await find(name);
  if (!found) return null;
  const { batch, warnings, webhookSecret } = found;
  if (found.digest === digest) return { ok: true, batch, warnings, webhookSecret, isReplay: true };
  return {
    ok: false,
    kind: "key",
    code: "idempotency_key_reused",
    message: `Expected the same file and options as in the upload that this Idempotency-Key came with first (batch ${batch.batchId}), got others. Send another upload under a key of its own.`,
  };
}

export const IN_PROGRESS: Acceptance = {
  ok: false,
  kind: "key",
  code: "upload_in_progress",
  message: "An upload with this Idempotency-Key is being taken in; send it again in a few seconds.",
};
