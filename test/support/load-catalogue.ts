import assert from "node:assert/strict";
import { randomUUIDv7 } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Database } from "../../src/db/connection/connect.ts";
import { PRESETS } from "../../src/domain/image/recipe.ts";
import { loadBatch, type BatchOrder } from "../../src/intake/load-batch.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { DEFAULT_READING } from "./csv.ts";
import { createTestFolder } from "./folder.ts";
import { catalogueOf } from "./origin.ts";

const WITHOUT_OPTIONS = {
  idempotencyKey: null,
  sourceHeaders: null,
  pauseAtFailurePercent: null,
  pauseHostAtFailurePercent: null,
  toldSecret: false,
};

/** Loads a batch whose products have these images, without HTTP; returns its id. URLs that are none become failed images. */
export async function loadCatalogue(
  { db, queue }: { db: Database; queue: Queue },
  rows: readonly (readonly string[])[],
  more: Partial<BatchOrder> = {},
): Promise<string> {
  const batchId = randomUUIDv7();
  const path = join(await createTestFolder(), "upload.csv");
  await writeFile(path, catalogueOf(rows));
  const loaded = await loadBatch(
    { queue, transaction: db.keyedTransaction },
    {
      batchId,
      token: batchId,
      csv: { path, bytes: 1, fileName: null },
      recipe: PRESETS.seed,
      refresh: "auto",
      metadata: {},
      reading: { ...DEFAULT_READING, onInvalid: "skip" },
      now: Date.now(),
      endpoint: null,
      ...WITHOUT_OPTIONS,
      ...more,
    },
  );
  assert.ok(loaded.ok);
  return batchId;
}

/** An endpoint for batches that need one: nothing is ever sent there. */
export const someEndpoint = () => ({
  endpointId: randomUUIDv7(),
  url: "http://127.0.0.1/hook",
  secret: null,
  sealedAuthorization: null,
  payload: "event" as const,
});
