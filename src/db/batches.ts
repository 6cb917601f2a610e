import type { PausedShare } from "../domain/batch/failure-budget.ts";
import type { Executor, Tx } from "./connection/connect.ts";
import type { endpoint } from "./schema/schema-events.ts";
import type { batch } from "./schema/schema.ts";

/**
 * `sourceHosts`: the origins that the batch has source headers for. Only workers read the headers themselves.
 * `pausedShares`: the hundred paused shares that hold the most images; their times are texts, as in JSON.
 */
export type BatchRow = Omit<typeof batch.$inferSelect, "sourceHeaders" | "onInvalid"> & {
  sourceHosts: string[];
  pausedShares: StoredShare[];
};
type StoredShare = Omit<PausedShare, "pausedAt"> & { pausedAt: string };
/**
 * What source_headers holds as JSON: the hosts that may be shown, the headers, encrypted, and what tells them from others without giving
 * them away (batches of the first days have none).
 */
export type StoredHeaders = { hosts: string[]; sealed: string; fingerprint: string };
export type NewBatch = Pick<
  BatchRow,
  | "batchId"
  | "tenantId"
  | "token"
  | "recipe"
  | "refresh"
  | "metadata"
  | "csvFileName"
  | "csvBytes"
  | "csvFacts"
  | "products"
  | "imagesTotal"
  | "pauseAtFailurePercent"
  | "pauseHostAtFailurePercent"
> & { sourceHeaders: StoredHeaders | null; onInvalid: (typeof batch.$inferSelect)["onInvalid"] };
export type NewEndpoint = Pick<
  typeof endpoint.$inferSelect,
  "endpointId" | "tenantId" | "batchId" | "url" | "secret" | "sealedAuthorization" | "payload"
>;

export async function insertBatch(tx: Tx, row: NewBatch): Promise<void> {
  await tx.executor.executeSql(
    `insert into batch (batch_id, tenant_id, token, recipe, refresh, on_invalid, metadata, csv_file_name, csv_bytes, csv_facts, products, images_total, source_headers, pause_at_failure_percent, pause_host_at_failure_percent, budget_round)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, case when $15::smallint is null then 0 else 1 end)`,
    [
      row.batchId,
      row.tenantId,
      row.token,
      row.recipe,
      row.refresh,
      row.onInvalid,
      row.metadata,
      row.csvFileName,
      row.csvBytes,
      row.csvFacts,
      row.products,
      row.imagesTotal,
      row.sourceHeaders ? JSON.stringify(row.sourceHeaders) : null,
      row.pauseAtFailurePercent,
      row.pauseHostAtFailurePercent,
    ],
  );
}

export async function insertEndpoint(tx: Tx, row: NewEndpoint): Promise<void> {
  await tx.executor.executeSql(
    "insert into endpoint (endpoint_id, tenant_id, batch_id, url, secret, sealed_authorization, payload) values ($1, $2, $3, $4, $5, $6, $7)",
    [row.endpointId, row.tenantId, row.batchId, row.url, row.secret, row.sealedAuthorization, row.payload],
  );
}

/** While its products or outputs were read: what is left of them is no whole. */
export class BatchRemovedError extends Error {
  constructor() {
    super("the batch was removed while it was read");
  }
}

/** Rejects where a batch was removed meanwhile. Its rows go after it: where it is still there, so was all that was read. */
export async function checkIsThere(db: Executor, batchId: string): Promise<void> {
  const { rows } = await db.executeSql("select 1 from batch where batch_id = $1", [batchId]);
  if (rows.length === 0) throw new BatchRemovedError();
}

/** Where each member of BatchRow comes from. A double holds counts of bytes up to 9 petabytes. */
const BATCH_MEMBERS: Record<keyof BatchRow, string> = {
  batchId: "batch_id",
  tenantId: "tenant_id",
  token: "token",
  status: "status",
  outcome: "outcome",
  run: "run",
  recipe: "recipe",
  refresh: "refresh",
  metadata: "metadata",
  csvFileName: "csv_file_name",
  csvBytes: "csv_bytes::float8",
  csvFacts: "csv_facts",
  products: "products",
  imagesTotal: "images_total",
  imagesDone: "images_done",
  imagesFailed: "images_failed",
  imagesSkipped: "images_skipped",
  imagesReused: "images_reused",
  imagesQueued: "images_queued",
  imagesHeld: "images_held",
  imagesDue: "images_due",
  plannedLine: "planned_line",
  isPlanned: "is_planned",
  hasRepeats: "has_repeats",
  tag: "tag",
  inputBytes: "input_bytes::float8",
  outputBytes: "output_bytes::float8",
  sequence: "sequence",
  sourceHosts: "coalesce((source_headers::jsonb)->'hosts', '[]')",
  pauseAtFailurePercent: "pause_at_failure_percent",
  pausedAt: "paused_at",
  pauseReason: "pause_reason",
  cancelledAt: "cancelled_at",
  budgetSettled: "budget_settled",
  budgetFailed: "budget_failed",
  budgetFailedLate: "budget_failed_late",
  budgetCome: "budget_come",
  pauseHostAtFailurePercent: "pause_host_at_failure_percent",
  budgetRound: "budget_round",
  hostsPaused: "hosts_paused",
  waitsForHosts: "waits_for_hosts",
  pausedShares: `case when hosts_paused = 0 then '[]' else (
    select coalesce(jsonb_agg(to_jsonb(p)), '[]') from (
      select host, settled, failed, paused_at as "pausedAt", pause_reason as "pauseReason", s.images_held as "imagesHeld"
      from host_share s where s.batch_id = batch.batch_id and s.paused_at is not null and s.round = batch.budget_round
      order by s.images_held desc, host limit 100
    ) p
  ) end`,
  createdAt: "created_at",
  startedAt: "started_at",
  finishedAt: "finished_at",
};

/** The columns of the table `batch` by the names in BatchRow. */
export const BATCH_COLUMNS = Object.entries(BATCH_MEMBERS)
  .map(([name, sql]) => `${sql} as "${name}"`)
  .join(", ");

export async function findBatch(db: Executor, tenantId: string, batchId: string): Promise<BatchRow | null> {
  const { rows } = await db.executeSql(`select ${BATCH_COLUMNS} from batch where batch_id = $1 and tenant_id = $2`, [batchId, tenantId]);
  return (rows[0] as BatchRow | undefined) ?? null;
}

/**
 * Locks a batch until the transaction ends. What in the transaction returns BATCH_COLUMNS of a change, and may have had to wait for the batch,
 * locks it so before: a statement that waits looks anew at the batch's own row alone, and its shares would be those from before the wait.
 */
export async function lockBatch(tx: Tx, batchId: string): Promise<void> {
  await tx.executor.executeSql("select 1 from batch where batch_id = $1 for update", [batchId]);
}

/** The newest first; ids are in the order of time. */
export async function listBatches(db: Executor, tenantId: string, page: { before: string | null; limit: number }): Promise<BatchRow[]> {
  const { rows } = await db.executeSql(
    `select ${BATCH_COLUMNS} from batch where tenant_id = $1 and ($2::uuid is null or batch_id < $2) order by batch_id desc limit $3`,
    [tenantId, page.before, page.limit],
  );
  return rows as BatchRow[];
}

export async function findBatchByToken(db: Executor, token: string): Promise<BatchRow | null> {
  const { rows } = await db.executeSql(`select ${BATCH_COLUMNS} from batch where token = $1`, [token]);
  return (rows[0] as BatchRow | undefined) ?? null;
}

/**
 * Starts batches of which a first image was claimed; those that run stay as they are. Locks in the order of ids, as settles do, and waits for
 * nobody: a batch that somebody has locked is started by a later claim, or by its first settle.
 */
export async function startBatches(db: Executor, batchIds: readonly string[]): Promise<void> {
  await db.executeSql(
    `update batch set status = 'processing', started_at = now() where batch_id in (
       select batch_id from batch where batch_id = any($1::uuid[]) and status = 'pending' order by batch_id for no key update skip locked)`,
    [batchIds],
  );
}

/** The ids among these that no batch has. */
export async function listUnknownBatches(db: Executor, batchIds: readonly string[]): Promise<string[]> {
  const { rows } = await db.executeSql(
    "select id::text from unnest($1::uuid[]) as id where not exists (select 1 from batch where batch_id = id)",
    [batchIds],
  );
  return rows.map((row) => String(row["id"]));
}

/** The sealed headers of a batch for its origins; null where it has none. */
export async function findSealedHeaders(db: Executor, batchId: string): Promise<string | null> {
  const { rows } = await db.executeSql("select (source_headers::jsonb)->>'sealed' as sealed from batch where batch_id = $1", [batchId]);
  const sealed = rows[0]?.["sealed"];
  return typeof sealed === "string" ? sealed : null;
}

/** What an unfinished batch has sealed, for its origins or for its webhook's receiver. */
export type SealedBatch = { batchId: string; headers: string | null; endpointId: string | null; authorization: string | null };

/** One for each endpoint with credentials of its own, or for the batch's headers alone. By indexes: every start asks, whatever has ended. */
export async function listSealedBatches(db: Executor): Promise<SealedBatch[]> {
  const { rows } = await db.executeSql(
    `select b.batch_id as "batchId", (b.source_headers::jsonb)->>'sealed' as headers, e.endpoint_id as "endpointId", e.sealed_authorization as "authorization"
     from batch b left join lateral (
       select endpoint_id, sealed_authorization from endpoint where batch_id = b.batch_id and sealed_authorization is not null offset 0) e on true
     where b.status in ('pending', 'processing') and (b.source_headers is not null or e.endpoint_id is not null)`,
  );
  return rows as SealedBatch[];
}
