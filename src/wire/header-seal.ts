import { createHmac, randomBytes } from "node:crypto";
import type { Config } from "../config.ts";
import type { StoredHeaders } from "../db/batches.ts";
import { deriveKey, NONCE_BYTES, seal, unseal } from "../domain/sealed.ts";
import type { SourceHeaders } from "../domain/source-headers.ts";
import { readOrMakeSecretKey } from "../storage/secret-key.ts";

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

/**
 * With SECRET_KEY, or, where the database is embedded and this process its only one, with a key that is made for it. Null where
 * SECRET_KEY is missing and several processes can share the database.
 */
export async function openHeaderSeal(config: Pick<Config, "secretKey" | "databaseUrl" | "dataDir">): Promise<HeaderSeal | null> {
  if (config.secretKey !== null) return createHeaderSeal(config.secretKey);
  if (config.databaseUrl !== null) return null;
  return createHeaderSeal(await readOrMakeSecretKey(config.dataDir, randomBytes(32).toString("base64")));
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
