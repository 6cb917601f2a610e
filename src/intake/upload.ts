import type { Layout } from "../csv/choose-layout.ts";
import type { ColumnWishes } from "../csv/find-columns.ts";
import type { IdempotencyKey } from "../db/idempotency-keys.ts";
import type { Recipe, Refresh } from "../domain/recipe.ts";
import type { WebhookPayload } from "../domain/seed-payload.ts";
import type { SourceHeaders } from "../domain/source-headers.ts";

/** How the caller wants the file to be read. */
export type ReadingOptions = {
  onInvalid: "reject" | "skip";
  wishes: ColumnWishes;
  baseUrl: string | null;
  /** That of a file that we made from JSON; of any other it is found out. */
  layout: Layout | null;
};

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
  idempotencyKey?: IdempotencyKey;
};
