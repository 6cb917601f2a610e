import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";

/** AES-256-GCM as NIST SP 800-38D has it: a nonce of 96 bits that is never used twice, a tag of 128. */
const CIPHER = "aes-256-gcm";
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** Says how the rest is to be read, so that a later way of sealing can stand beside this one. */
const VERSION = "v1.";

/** A key of fewer characters could be guessed; `openssl rand -base64 32` gives 44. */
export const SECRET_KEY_LENGTH_MIN = 32;

/** A key for one purpose alone (RFC 5869): with that of another purpose nothing of this one can be opened. */
export function deriveKey(secretKey: string, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secretKey, "pressrun", purpose, KEY_BYTES));
}

/** Encrypts text for one place, named by `about`; moved to another place it cannot be opened. */
export function seal(text: string, { key, nonce, about }: { key: Uint8Array; nonce: Uint8Array; about: string }): string {
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(about));
  const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return VERSION + Buffer.concat([nonce, body, cipher.getAuthTag()]).toString("base64url");
}

/** Null where it was sealed with another key or for another place, or was changed since. */
export function unseal(sealed: string, { key, about }: { key: Uint8Array; about: string }): string | null {
  const bytes = Buffer.from(sealed.startsWith(VERSION) ? sealed.slice(VERSION.length) : "", "base64url");
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
  try {
    const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(about))
      .setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString("utf8");
  } catch {
    return null;
  }
}
