import { createHmac } from "node:crypto";

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: keys of 24 to 64 bytes. */
const KEY_BYTES_MIN = 24;
const KEY_BYTES_MAX = 64;
/** What so few bytes are as base64, four characters for three of them, without the prefix. */
export const SECRET_CHARS_MIN = (KEY_BYTES_MIN / 3) * 4;
const PREFIX = "whsec_";

export function createSecret(random: Uint8Array): string {
  return PREFIX + Buffer.from(random).toString("base64");
}

/** Null where the secret is good, else one sentence that says what is expected. */
export function findSecretFault(secret: string): string | null {
  const base64 = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret;
  const key = keyOf(secret);
  const isBase64 = key.toString("base64").replace(/=+$/, "") === base64.replace(/=+$/, "");
  if (isBase64 && key.length >= KEY_BYTES_MIN && key.length <= KEY_BYTES_MAX) return null;
  return `Expected base64 of ${KEY_BYTES_MIN} to ${KEY_BYTES_MAX} bytes, with or without "${PREFIX}" before it; \`openssl rand -base64 32\` makes one.`;
}

/** A new secret and the old one, while receivers change from one to the other. */
export const SECRETS_MAX = 2;

/**
 * The three headers of Standard Webhooks for one message, with a signature by each secret. `body` is the exact text that
 * is sent; time is in seconds.
 */
export function signatureHeaders(
  secrets: readonly string[],
  message: { id: string; timestampSeconds: number; body: string },
): Record<string, string> {
  const signed = `${message.id}.${message.timestampSeconds}.${message.body}`;
  return {
    "webhook-id": message.id,
    "webhook-timestamp": String(message.timestampSeconds),
    "webhook-signature": secrets.map((secret) => `v1,${createHmac("sha256", keyOf(secret)).update(signed).digest("base64")}`).join(" "),
  };
}

function keyOf(secret: string): Buffer {
  return Buffer.from(secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret, "base64");
}
