import { createHmac } from "node:crypto";

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: keys of 24 to 64 bytes. */
const KEY_BYTES_MIN = 24;
const KEY_BYTES_MAX = 64;
const PREFIX = "whsec_";

export function createSecret(random: Uint8Array): string {
  return PREFIX + Buffer.from(random).toString("base64");
}

/** Null where the secret is good, else one sentence that says what is expected. */
export function findSecretFault(secret: string): string | null {
  const base64 = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret;
  const key = Buffer.from(base64, "base64");
  const isBase64 = key.toString("base64").replace(/=+$/, "") === base64.replace(/=+$/, "");
  if (isBase64 && key.length >= KEY_BYTES_MIN && key.length <= KEY_BYTES_MAX) return null;
  return `Expected base64 of ${KEY_BYTES_MIN} to ${KEY_BYTES_MAX} bytes, with or without "${PREFIX}" before it; \`openssl rand -base64 32\` makes one.`;
}

/** The three headers of Standard Webhooks for one message. `body` is the exact text that is sent; time is in seconds. */
export function signatureHeaders(secret: string, message: { id: string; timestampSeconds: number; body: string }): Record<string, string> {
  const key = Buffer.from(secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret, "base64");
  const signed = `${message.id}.${message.timestampSeconds}.${message.body}`;
  return {
    "webhook-id": message.id,
    "webhook-timestamp": String(message.timestampSeconds),
    "webhook-signature": `v1,${createHmac("sha256", key).update(signed).digest("base64")}`,
  };
}
