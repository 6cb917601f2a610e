import type { Database } from "../../src/db/connection/connect.ts";
import { findKeyedUpload } from "../../src/db/idempotency-keys.ts";
import { findLoadedBatch } from "../../src/db/load-lock.ts";
import { DEFAULT_TENANT_ID } from "../../src/domain/ids.ts";
import type { IntakeDeps } from "../../src/intake/accept-upload.ts";
import { loadBatch } from "../../src/intake/load-batch.ts";
import type { Queue } from "../../src/queue/queue.ts";
import type { Storage } from "../../src/storage/storage.ts";

/** All that accepting an upload into this database takes, without a configured webhook, a SECRET_KEY and an address guard. */
export function intakeInto({ db, queue, storage }: { db: Database; queue: Queue; storage: Storage }): IntakeDeps {
  return {
    storage,
    defaultWebhookUrl: null,
    defaultPayload: "event",
    sealHeaders: null,
    sealAuthorization: null,
    checkTarget: async () => ({ ok: true, mayCarrySecrets: true }),
    load: (order) => loadBatch({ queue, transaction: db.keyedTransaction }, order),
    findKeyedUpload: (name) => findKeyedUpload(db.executor, DEFAULT_TENANT_ID, name),
    findLoadedBatch: (batchId) => db.transaction((tx) => findLoadedBatch(tx, DEFAULT_TENANT_ID, batchId)),
  };
}
