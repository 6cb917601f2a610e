import { createReadStream } from "node:fs";
import { CATALOGUE_LIMITS } from "../csv/limits.ts";
import { readCatalogue, type ReadingOptions } from "../csv/read-catalogue.ts";
import type { CatalogueProduct } from "../csv/read-product.ts";
import { findBatch, insertBatch, insertEndpoint, type BatchRow, type NewBatch, type NewEndpoint } from "../db/batches.ts";
import type { Transaction, Tx } from "../db/connection/connect.ts";
import { keepIdempotencyKey, takeIdempotencyKey, type IdempotencyKey } from "../db/idempotency-keys.ts";
import { lockLoad } from "../db/load-lock.ts";
import { loadProducts, type ProductRow } from "../db/load-products.ts";
import type { CatalogueFacts } from "../domain/batch/catalogue-facts.ts";
import type { CsvProblem, UploadWarning } from "../domain/batch/csv-problem.ts";
import { DEFAULT_TENANT_ID } from "../domain/ids.ts";
import { planPage } from "../queue/plan-page.ts";
import type { Sender } from "../queue/queue.ts";
import { createLinkWatch } from "./link-watch.ts";
import { createSlugs } from "./slugs.ts";

/** Everything that a batch is made from; plain data, so that it can be sent to a thread. */
export type BatchOrder = Pick<
  NewBatch,
  "batchId" | "token" | "recipe" | "refresh" | "metadata" | "sourceHeaders" | "pauseAtFailurePercent" | "pauseHostAtFailurePercent"
> & {
  csv: { path: string; bytes: number; fileName: string | null };
  reading: ReadingOptions;
  idempotencyKey: IdempotencyKey | null;
  /** When the upload came, in ms since 1970. It decides which signed links have expired. */
  now: number;
  endpoint: Omit<NewEndpoint, "tenantId" | "batchId"> | null;
  /** The endpoint's secret was made for this upload, and its answer tells it. */
  toldSecret: boolean;
};

/** `batch` is the row as it was committed, so that nobody has to ask for it again; `state` is that of the idempotency key. */
export type LoadedBatch =
  | { ok: true; batch: BatchRow; warnings: UploadWarning[] }
  | { ok: false; kind: "csv"; problems: CsvProblem[]; problemCount: number }
  | { ok: false; kind: "key"; state: "busy" | "used" };

type LoadDeps = {
  queue: Sender;
  transaction: Transaction;
};

/** Thrown to roll the transaction back; never leaves this file. */
class Refused extends Error {
  readonly refusal: Extract<LoadedBatch, { ok: false }>;
  constructor(refusal: Extract<LoadedBatch, { ok: false }>) {
    super("the upload was refused");
    this.refusal = refusal;
  }
}

/** Parses the CSV, and stores the products, the batch and its first jobs in one transaction. */
export async function loadBatch({ queue, transaction }: LoadDeps, order: BatchOrder): Promise<LoadedBatch> {
  try {
    return await transaction(async (tx) => {
      await lockLoad(tx, order.batchId);
      const { idempotencyKey: key } = order;
      const state = key ? await takeIdempotencyKey(tx, DEFAULT_TENANT_ID, key) : "ours";
      if (state !== "ours") throw new Refused({ ok: false, kind: "key", state });
      const { facts, warnings } = await copyProducts(tx, order);
      await insertBatch(tx, batchRow(order, facts));
      const { batchId, toldSecret } = order;
      if (key) await keepIdempotencyKey(tx, { tenantId: DEFAULT_TENANT_ID, key, batchId, warnings, toldSecret });
      if (order.endpoint) await insertEndpoint(tx, { ...order.endpoint, tenantId: DEFAULT_TENANT_ID, batchId });
      const { more } = await planPage(tx, queue, batchId);
      if (more) await queue.sendPlan(tx, { batchId });
      const batch = await findBatch(tx.executor, DEFAULT_TENANT_ID, batchId);
      if (!batch) throw new Error(`the batch ${batchId} that was inserted is not there`);
      return { ok: true, batch, warnings };
    });
  } catch (error) {
    if (error instanceof Refused) return error.refusal;
    throw error;
  }
}

async function copyProducts(tx: Tx, order: BatchOrder): Promise<{ facts: CatalogueFacts; warnings: UploadWarning[] }> {
  const loader = loadProducts(tx, order.batchId);
  const slugFor = createSlugs();
  const links = createLinkWatch({ now: order.now, baseUrl: order.reading.baseUrl });
  let ordinal = 0;
  const toRow = (product: CatalogueProduct): ProductRow => {
    const firstOrdinal = ordinal;
    ordinal += product.urls.length;
    links.look(product);
    return { ...product, firstOrdinal, ...slugFor(product) };
  };
  try {
    const read = await readCatalogue(() => createReadStream(order.csv.path), {
      ...order.reading,
      limits: CATALOGUE_LIMITS,
      onProducts: (products) => loader.write(products.map(toRow)),
    });
    if (!read.ok) throw new Refused({ ...read, kind: "csv" });
    await loader.end();
    return { facts: read.facts, warnings: links.warnings() };
  } catch (error) {
    loader.abort();
    throw error;
  }
}

/** What the order says of the batch, and what its file turned out to be. */
function batchRow({ csv, reading, ...order }: BatchOrder, facts: CatalogueFacts): NewBatch {
  return {
    ...order,
    tenantId: DEFAULT_TENANT_ID,
    onInvalid: reading.onInvalid,
    csvFileName: csv.fileName,
    csvBytes: csv.bytes,
    csvFacts: facts,
    products: facts.rows,
    imagesTotal: facts.images,
  };
}
