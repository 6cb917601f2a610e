import { randomBytes, randomUUIDv7 } from "node:crypto";
import type { BatchRow, StoredHeaders } from "../db/batches.ts";
import type { WebhookPayload } from "../domain/batch/seed-payload.ts";
import type { SourceHeaders } from "../domain/secret/source-headers.ts";
import { createSecret } from "../domain/secret/webhook-signature.ts";
import type { Acceptance } from "./acceptance.ts";
import { findEarlier, IN_PROGRESS, type FindKeyedUpload } from "./find-earlier.ts";
import type { BatchOrder, LoadedBatch } from "./load-batch.ts";
import type { Upload } from "./upload.ts";

export type IntakeDeps = {
  storage: {
    keepCsv(tempPath: string, batchId: string): Promise<{ path: string }>;
    removeBatch(batchId: string): Promise<void>;
  };
  /** Whether deliveries to this URL would be refused: better said now than after the work. */
  checkTarget(url: string): Promise<{ ok: true; mayCarrySecrets: boolean } | { ok: false; code: string; message: string }>;
  /** Encrypts headers for origins; null where there is no SECRET_KEY to do it with. */
  sealHeaders: ((headers: readonly SourceHeaders[], batchId: string) => StoredHeaders) | null;
  sealAuthorization: ((authorization: string, endpointId: string) => string) | null;
  load(order: BatchOrder): Promise<LoadedBatch>;
  /** Once its load is over, however that went: null only where it surely comes to nothing. Rejects where that cannot be told. */
  findLoadedBatch(batchId: string): Promise<BatchRow | null>;
  findKeyedUpload: FindKeyedUpload;
  defaultWebhookUrl: string | null;
  defaultPayload: WebhookPayload;
};

const noKey = (what: string) =>
  `${what} kept encrypted, and this service has no key: the operator sets SECRET_KEY (\`openssl rand -base64 32\` makes one), the same for every process, and starts it again.`;

/** Takes a spooled CSV in: either everything is stored and the first jobs are queued, or nothing is left of it. */
export async function acceptUpload(deps: IntakeDeps, upload: Upload): Promise<Acceptance> {
  const { idempotencyKey } = upload;
  const { sourceHeaders = [] } = upload.options;
  if (sourceHeaders.length > 0 && deps.sealHeaders === null)
    return { ok: false, kind: "option", field: "sourceHeaders", message: noKey("Headers for origins are") };
  const webhook = await chooseWebhook(deps, upload.options);
  if (!webhook.ok) return webhook;

  const batchId = randomUUIDv7();
  const token = randomBytes(16).toString("base64url");
  const { path } = await deps.storage.keepCsv(upload.spool.path, batchId).catch(async (error: unknown) => {
    // Its folder may have been made. Why the file could not be kept is the error to tell, and not that of a disk which takes nothing.
    await deps.storage.removeBatch(batchId).catch(() => {});
    throw error;
  });
  const loaded = await deps
    .load({
      batchId,
      token,
      csv: { path, bytes: upload.spool.bytes, fileName: upload.fileName },
      recipe: upload.options.recipe,
      refresh: upload.options.refresh,
      metadata: upload.options.metadata,
      idempotencyKey,
      sourceHeaders: sourceHeaders.length > 0 ? (deps.sealHeaders?.(sourceHeaders, batchId) ?? null) : null,
      pauseAtFailurePercent: upload.options.pauseAtFailurePercent ?? null,
      pauseHostAtFailurePercent: upload.options.pauseHostAtFailurePercent ?? null,
      reading: upload.options.reading,
      now: Date.now(),
      endpoint: webhook.endpoint,
      toldSecret: webhook.shown !== null,
    })
    .catch((error: unknown) => resolveDoubt(deps, batchId, error));
  if (loaded.ok) return { ...loaded, webhookSecret: webhook.shown, isReplay: false };
  await deps.storage.removeBatch(batchId);
  if (loaded.kind === "csv") return loaded;
  const earlier = idempotencyKey && loaded.state === "used" ? await findEarlier(deps.findKeyedUpload, idempotencyKey) : null;
  return earlier ?? IN_PROGRESS;
}

/**
 * A connection can break between the commit and its answer. A batch that is stored nevertheless is accepted; the file of one that
 * surely is not is removed. Where the database cannot even be asked, or the commit may still come, the file is left to sweepUploads().
 */
async function resolveDoubt(deps: IntakeDeps, batchId: string, error: unknown): Promise<LoadedBatch> {
  const found = await deps.findLoadedBatch(batchId).catch(() => "unknown" as const);
  if (found !== null && found !== "unknown") return { ok: true, batch: found, warnings: [] };
  if (found === null) await deps.storage.removeBatch(batchId);
  throw error;
}

type Webhook = { ok: true; endpoint: BatchOrder["endpoint"]; shown: string | null } | Extract<Acceptance, { kind: "webhook" | "option" }>;

const refuse = (field: string, message: string): Webhook => ({ ok: false, kind: "option", field, message });

/**
 * The upload's own webhook, else the configured one, else none. An endpoint row without a secret stands for WEBHOOK_URL, to which
 * alone WEBHOOK_SECRET and WEBHOOK_AUTHORIZATION are sent: those who may upload must not get them sent to a place of their own.
 */
async function chooseWebhook(deps: IntakeDeps, options: Upload["options"]): Promise<Webhook> {
  const { webhookUrl, webhookSecret, webhookAuthorization, webhookPayload } = options;
  const endpointId = randomUUIDv7();
  const payload = webhookPayload ?? deps.defaultPayload;
  if (webhookUrl === undefined) {
    if (deps.defaultWebhookUrl !== null)
      return {
        ok: true,
        endpoint: { endpointId, url: deps.defaultWebhookUrl, secret: null, sealedAuthorization: null, payload },
        shown: null,
      };
    if (webhookPayload !== undefined) return refuse("webhookPayload", "Expected a webhookUrl with it: this service has no WEBHOOK_URL.");
    return { ok: true, endpoint: null, shown: null };
  }
  const target = await deps.checkTarget(webhookUrl);
  if (!target.ok) return { ok: false, kind: "webhook", code: target.code, message: target.message };
  if (webhookAuthorization !== undefined && !target.mayCarrySecrets) return refuse("webhookAuthorization", IN_THE_CLEAR);
  if (webhookAuthorization !== undefined && deps.sealAuthorization === null)
    return refuse("webhookAuthorization", noKey("An Authorization header is"));
  const sealedAuthorization =
    webhookAuthorization === undefined ? null : (deps.sealAuthorization?.(webhookAuthorization, endpointId) ?? null);
  const shown = webhookSecret === undefined ? createSecret(randomBytes(32)) : null;
  return {
    ok: true,
    endpoint: { endpointId, url: webhookUrl, secret: shown ?? webhookSecret ?? null, sealedAuthorization, payload },
    shown,
  };
}

const IN_THE_CLEAR =
  "Expected a webhookUrl that begins with https://: over http everybody on the way could read the header. Within a network of the operator's own http will do, where ALLOW_CIDRS names the receiver's address.";
