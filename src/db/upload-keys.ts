import type { UploadWarning } from "../domain/csv-problem.ts";
import { findBatch, type BatchRow } from "./batches.ts";
import type { Executor, Tx } from "./connect.ts";

/** An upload that is to be done once under its key. `digest`: of what it asks for. */
export type UploadOnce = { key: string; digest: string };

export type EarlierUpload = { digest: string; batch: BatchRow; warnings: UploadWarning[]; webhookSecret: string | null };

/** "upkey" in ASCII, cut to 31 bits. Two keys of one hash only make one upload come again a little later. */
const KEY_LOCK_CLASS = 0x75706b65;

/**
 * Makes the key this transaction's own until it ends. `busy`: another one is taking an upload in under it at this moment;
 * `done`: one has.
 */
export async function takeUploadKey(tx: Tx, tenantId: string, { key }: UploadOnce): Promise<"ours" | "busy" | "done"> {
  const { rows } = await tx.executor.executeSql("select pg_try_advisory_xact_lock($1, hashtext($2)) as locked", [
    KEY_LOCK_CLASS,
    `${tenantId} ${key}`,
  ]);
  if (rows[0]?.["locked"] !== true) return "busy";
  // A statement of its own: it must see what was committed before the lock was free.
  const known = await tx.executor.executeSql("select from upload_key where tenant_id = $1 and key = $2", [tenantId, key]);
  return known.rows.length === 0 ? "ours" : "done";
}

export async function keepUploadKey(
  tx: Tx,
  { tenantId, once, batchId, warnings }: { tenantId: string; once: UploadOnce; batchId: string; warnings: readonly UploadWarning[] },
): Promise<void> {
  await tx.executor.executeSql("insert into upload_key (tenant_id, key, digest, batch_id, warnings) values ($1, $2, $3, $4, $5)", [
    tenantId,
    once.key,
    once.digest,
    batchId,
    JSON.stringify(warnings),
  ]);
}

/** What was taken in under the key, with the secret of its own webhook; null where nothing was. */
export async function findUpload(db: Executor, tenantId: string, key: string): Promise<EarlierUpload | null> {
  const { rows } = await db.executeSql(
    `select k.digest, k.batch_id as "batchId", k.warnings,
       (select secret from endpoint where batch_id = k.batch_id order by endpoint_id limit 1) as "webhookSecret"
     from upload_key k where k.tenant_id = $1 and k.key = $2`,
    [tenantId, key],
  );
  const [row] = rows as (Omit<EarlierUpload, "batch"> & { batchId: string })[];
  const batch = row && (await findBatch(db, tenantId, row.batchId));
  if (!batch) return null;
  const { digest, warnings, webhookSecret } = row;
  return { digest, batch, warnings, webhookSecret };
}
