import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { Upload } from "./upload.ts";

/**
 * What an upload asks for, as a SHA-256 in hex: two that would make the same batch have the same. A CSV that we fetched stands
 * for its address, as it can have changed since. Credentials are left out: a digest of a short one could be tried out.
 */
export async function digestUpload({ spool, fileName, fetchedFrom, options }: Upload): Promise<string> {
  const { sourceHeaders = [], webhookAuthorization, ...rest } = options;
  const file = fetchedFrom === undefined ? await digestFile(spool.path) : fetchedFrom;
  const hosts = sourceHeaders.map(({ host, headers }) => [host, Object.keys(headers)]);
  const asked = [file, fileName, rest, hosts, webhookAuthorization !== undefined];
  return createHash("sha256").update(JSON.stringify(asked)).digest("hex");
}

async function digestFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
