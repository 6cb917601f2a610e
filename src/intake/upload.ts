import type { ReadingOptions } from "../csv/read-catalogue.ts";
import type { IdempotencyKey } from "../db/idempotency-keys.ts";
import type { Recipe, Refresh } from "../domain/image/recipe.ts";
import type { WebhookPayload } from "../domain/batch/seed-payload.ts";
import type { SourceHeaders } from "../domain/secret/source-headers.ts";

/** What an upload asks for, with its preset filled in. */
export type BatchOptions = {
  recipe: Recipe;
  refresh: Refresh;
  metadata: Record<string, unknown>;
  reading: ReadingOptions;
  sourceHeaders?: SourceHeaders[];
  webhookUrl?: string;
  webhookSecret?: string;
  webhookPayload?: WebhookPayload;
  webhookAuthorization?: string;
  pauseAtFailurePercent?: number;
  pauseHostAtFailurePercent?: number;
};

export type Upload = {
  spool: { path: string; bytes: number };
  fileName: string | null;
  options: BatchOptions;
  idempotencyKey: IdempotencyKey | null;
};
