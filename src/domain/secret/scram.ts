import { createHmac, hash, pbkdf2Sync } from "node:crypto";

/** PostgreSQL's own default (scram_iterations). */
const ITERATIONS = 4_096;
const KEY_BYTES = 32;

/**
 * What PostgreSQL stores in place of a password (RFC 5803). It is made here so that no statement holds the password itself, and no
 * log of the server does. Only for passwords of ASCII, which need no normalisation.
 */
export function scramVerifier(password: string, salt: Uint8Array): string {
  const salted = pbkdf2Sync(password, salt, ITERATIONS, KEY_BYTES, "sha256");
  const keyOf = (purpose: string) => createHmac("sha256", salted).update(purpose).digest();
  const storedKey = hash("sha256", keyOf("Client Key"), "base64");
  return `SCRAM-SHA-256$${ITERATIONS}:${Buffer.from(salt).toString("base64")}$${storedKey}:${keyOf("Server Key").toString("base64")}`;
}
