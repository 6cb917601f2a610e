import { createHmac, randomBytes } from "node:crypto";
import type { Config } from "../config.ts";
import type { SealedBatch, StoredHeaders } from "../db/batches.ts";
import { deriveKey, NONCE_BYTES, seal, unseal } from "../domain/secret/sealed.ts";
import type { SourceHeaders } from "../domain/secret/source-headers.ts";
import type { Log } from "../observe/log.ts";
import { findSecretKey, readOrMakeSecretKey, secretKeyPath } from "../storage/secret-key.ts";

/**
 * Encrypts the credentials that a batch brings for its origins and its webhook, where it is accepted, and decrypts them where it
 * is worked.
 */
export type HeaderSeal = {
  seal(headers: readonly SourceHeaders[], batchId: string): StoredHeaders;
  /** Null where they were sealed with another key, or for another batch. */
  open(sealed: string, batchId: string): SourceHeaders[] | null;
  sealAuthorization(authorization: string, endpointId: string): string;
  openAuthorization(sealed: string, endpointId: string): string | null;
  /** Tells credentials apart without giving away what they are. */
  fingerprint(text: string): string;
};

type SealConfig = Pick<Config, "secretKey" | "databaseUrl" | "dataDir">;

/**
 * With SECRET_KEY, or, where the database is embedded and this process its only one, with a key that is made for it. Null where
 * SECRET_KEY is missing and several processes can share the database. Of what is `sealed` already it says where another key did that.
 */
export async function openHeaderSeal(
  config: SealConfig,
  log: Pick<Log, "warn">,
  sealed: readonly SealedBatch[],
): Promise<HeaderSeal | null> {
  const key = config.secretKey ?? (config.databaseUrl === null ? await findKey(config.dataDir, countBatches(sealed)) : null);
  const seal = key === null ? null : createHeaderSeal(key);
  const batches = countBatches(sealed.filter((one) => !isOpenedBy(seal, one)));
  if (batches > 0) log.warn({ batches }, "the credentials of unfinished batches were encrypted with another SECRET_KEY");
  return seal;
}

/** A key that is made in the place of one that was lost would end these batches' images, and bringing the lost one back would not help any more. */
async function findKey(dataDir: string, batches: number): Promise<string> {
  const fresh = randomBytes(32).toString("base64");
  if (batches === 0) return readOrMakeSecretKey(dataDir, fresh);
  const key = await findSecretKey(dataDir);
  if (key !== null) return key;
  throw new Error(
    `${secretKeyPath(dataDir)} is missing, with which the credentials of unfinished batches were encrypted (${batches}). Bring it back, from a backup of DATA_DIR. ` +
      `Where it is lost for good, set SECRET_KEY to a new key (\`openssl rand -base64 32\`): what these batches have at hosts with headers then fails.`,
  );
}

function isOpenedBy(seal: HeaderSeal | null, { batchId, headers, endpointId, authorization }: SealedBatch): boolean {
  if (headers !== null && !seal?.open(headers, batchId)) return false;
  return endpointId === null || authorization === null || Boolean(seal?.openAuthorization(authorization, endpointId));
}

function countBatches(sealed: readonly SealedBatch[]): number {
  return new Set(sealed.map(({ batchId }) => batchId)).size;
}

export function createHeaderSeal(secretKey: string): HeaderSeal {
  const key = deriveKey(secretKey, "source headers");
  const fingerprintKey = deriveKey(secretKey, "fingerprints");
  const webhookKey = deriveKey(secretKey, "webhook authorization");
  const fingerprint = (text: string) => createHmac("sha256", fingerprintKey).update(text).digest("hex");
  return {
    seal(headers, batchId) {
      // In one order, so that the same headers have the same fingerprint however they were written.
      const ordered = headers.toSorted((one, other) => (one.host < other.host ? -1 : 1));
      const pairs = ordered.map((entry) => [
        entry.host,
        Object.entries(entry.headers).toSorted(([one], [other]) => (one < other ? -1 : 1)),
      ]);
      return {
        hosts: ordered.map(({ host }) => host),
        sealed: seal(JSON.stringify(headers), { key, nonce: randomBytes(NONCE_BYTES), about: batchId }),
        fingerprint: fingerprint(JSON.stringify(pairs)),
      };
    },
    open(sealed, batchId) {
      const text = unseal(sealed, { key, about: batchId });
      // Only what we sealed can be opened, so that it has this shape.
      return text === null ? null : (JSON.parse(text) as SourceHeaders[]);
    },
    sealAuthorization: (authorization, endpointId) =>
      seal(authorization, { key: webhookKey, nonce: randomBytes(NONCE_BYTES), about: endpointId }),
    openAuthorization: (sealed, endpointId) => unseal(sealed, { key: webhookKey, about: endpointId }),
    fingerprint,
  };
}
