import type { UploadWarning } from "../domain/batch/csv-problem.ts";
import { findBatch, type BatchRow } from "./batches.ts";
import type { Executor, Tx } from "./connection/connect.ts";
import { isLockRefused, limitLockWait } from "./connection/lock-wait.ts";

/** `name` is what the client sent; `digest` is of what its upload asks for. */
export type IdempotencyKey = { name: string; digest: string };

/** What was taken in under a key, and how it was answered. */
export type KeyedUpload = { digest: string; batch: BatchRow; warnings: UploadWarning[]; webhookSecret: string | null };

/** "idem" in ASCII. Keys whose hashes collide wait for each other, and no more. */
const KEY_LOCK_CLASS = 0x6964656d;
/** How long an upload waits for another one under its key, which is taken in within this time mostly. */
const KEY_WAIT_MS = 2_000;
/** Who lost an answer asks again sooner, and who guesses a key much later must not get the secret. */
const SECRET_TOLD_FOR = "1 hour";

/**
 * Locks the key until the transaction ends. `busy`: another upload is being taken in under it; `used`: one was. A machine that
 * vanishes meanwhile keeps it locked until PostgreSQL has looked after it (session.ts).
 */
export async function takeIdempotencyKey(tx: Tx, tenantId: string, { name }: IdempotencyKey): Promise<"ours" | "busy" | "used"> {
  await limitLockWait(tx, KEY_WAIT_MS);
  try {
    await tx.executor.executeSql("select pg_advisory_xact_lock($1, hashtext($2))", [KEY_LOCK_CLASS, `${tenantId} ${name}`]);
  } catch (error) {
    if (isLockRefused(error)) return "busy";
    throw error;
  }
  // In a statement of its own, which sees all that was committed before we got the lock.
  const { rows } = await tx.executor.executeSql(
    `select set_config('lock_timeout', '0', true), exists (select from idempotency_key where tenant_id = $1 and name = $2) as "isUsed"`,
    [tenantId, name],
  );
  return rows[0]?.["isUsed"] === true ? "used" : "ours";
}

type NewKeyedUpload = Pick<KeyedUpload, "warnings"> & { tenantId: string; key: IdempotencyKey; batchId: string; toldSecret: boolean };

export async function keepIdempotencyKey(tx: Tx, { tenantId, key, batchId, warnings, toldSecret }: NewKeyedUpload): Promise<void> {
  await tx.executor.executeSql(
    "insert into idempotency_key (tenant_id, name, digest, batch_id, warnings, told_secret) values ($1, $2, $3, $4, $5, $6)",
    [tenantId, key.name, key.digest, batchId, JSON.stringify(warnings), toldSecret],
  );
}

/** Null where nothing was taken in under the key. */
export async function findKeyedUpload(db: Executor, tenantId: string, name: string): Promise<KeyedUpload | null> {
  const { rows } = await db.executeSql(
    `select k.digest, k.batch_id as "batchId", k.warnings,
       (select secret from endpoint where batch_id = k.batch_id and k.told_secret and k.created_at > now() - interval '${SECRET_TOLD_FOR}'
        order by endpoint_id limit 1) as "webhookSecret"
     from idempotency_key k where k.tenant_id = $1 and k.name = $2`,
    [tenantId, name],
  );
  const [row] = rows as (Omit<KeyedUpload, "batch"> & { batchId: string })[];
  const batch = row && (await findBatch(db, tenantId, row.batchId));
  if (!batch) return null;
  const { digest, warnings, webhookSecret } = row;
  return { digest, batch, warnings, webhookSecret };
}
