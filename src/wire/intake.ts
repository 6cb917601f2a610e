import { readFileSync } from "node:fs";
import { isGzip } from "../csv/unpack.ts";
import { findKeyedUpload, type IdempotencyKey } from "../db/idempotency-keys.ts";
import { findLoadedBatch } from "../db/load-lock.ts";
import { DEFAULT_TENANT_ID } from "../domain/ids.ts";
import { createAddressPolicy } from "../domain/url/address-policy.ts";
import { createGate, runInside } from "../domain/load/gate.ts";
import { acceptUpload } from "../intake/accept-upload.ts";
import type { Acceptance } from "../intake/acceptance.ts";
import { findEarlier } from "../intake/find-earlier.ts";
import { loadBatch, type BatchOrder } from "../intake/load-batch.ts";
import { loadInThread } from "../intake/load-in-thread.ts";
import type { Upload } from "../intake/upload.ts";
import { createTargetCheck } from "../net/check-target.ts";
import { LOADS_AT_ONCE } from "./fit-connections.ts";
import type { Parts } from "./parts.ts";

/** Files up to this are parsed in some 20 ms, less than a thread takes to start. */
const INLINE_CSV_BYTES_MAX = 128 * 1024;

/** Whether it is read without a thread. Not a packed file, which can hold two hundred times its bytes. */
export function isQuicklyRead({ path, bytes }: { path: string; bytes: number }): boolean {
  return bytes <= INLINE_CSV_BYTES_MAX && !isGzip(readFileSync(path));
}

type Intake = {
  acceptUpload(upload: Upload): Promise<Acceptance>;
  /** Null where the key is new. */
  findEarlier(key: IdempotencyKey): Promise<Acceptance | null>;
};

type IntakeParts = Omit<Parts, "log" | "warn" | "doubtTables" | "publicUrl" | "stopping">;

/** Wires what takes a spooled CSV in, for the API and for the command line. */
export function wireIntake({ config, db, queue, storage, headerSeal }: IntakeParts): Intake {
  const loads = createGate(() => LOADS_AT_ONCE);
  // That the file cannot be opened is a load that failed, after which the file is removed.
  const load = async (order: BatchOrder) =>
    isQuicklyRead(order.csv)
      ? loadBatch({ queue, transaction: db.keyedTransaction }, order)
      : runInside(loads, () => loadInThread({ databaseUrl: db.url, order }));
  const intake = {
    storage,
    load,
    findLoadedBatch: (batchId: string) => db.transaction((tx) => findLoadedBatch(tx, DEFAULT_TENANT_ID, batchId)),
    findKeyedUpload: (name: string) => findKeyedUpload(db.executor, DEFAULT_TENANT_ID, name),
    sealHeaders: headerSeal?.seal ?? null,
    sealAuthorization: headerSeal?.sealAuthorization ?? null,
    checkTarget: createTargetCheck({ policy: createAddressPolicy(config) }),
    defaultWebhookUrl: config.webhook?.url ?? null,
    defaultPayload: config.webhookPayload,
  };
  return {
    acceptUpload: (upload) => acceptUpload(intake, upload),
    findEarlier: (key) => findEarlier(intake.findKeyedUpload, key),
  };
}
