import { createHash, hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { isGzip } from "../csv/unpack.ts";
import { CREDENTIAL_OPTIONS } from "../domain/secret/secret-options.ts";

/** What a client sent, before our defaults are filled in: a later version with other defaults must find the same in it. */
export type SentUpload = {
  /** A CSV that we fetch is known by its address: the file there can have changed since, or be gone. */
  source: { path: string } | { csvUrl: string };
  /** Texts from a form or a query, or values from JSON. */
  fields: Readonly<Record<string, unknown>>;
  /** The route's own, which holds where the fields name none. */
  preset: string;
};

/** Digests credentials with a secret of the service, since whoever reads a plain digest could find a short password by trying. */
type Fingerprint = (text: string) => string;
const CREDENTIALS: ReadonlySet<string> = new Set(CREDENTIAL_OPTIONS);

/**
 * SHA-256 in hex of what an upload asks for, whatever the order of its fields and the name of its file. It is stored: a version of
 * ours that digests otherwise refuses uploads that were first sent to an earlier one and come again.
 */
export async function digestUpload({ source, fields, preset }: SentUpload, fingerprint: Fingerprint): Promise<string> {
  const digested = Object.entries(fields).map(([name, value]) => [name, CREDENTIALS.has(name) ? fingerprint(canonicalJson(value)) : value]);
  const file = "csvUrl" in source ? { csvUrl: source.csvUrl } : { sha256: await digestFile(source.path) };
  return hash("sha256", canonicalJson({ ...file, preset, fields: Object.fromEntries(digested) as object }));
}

/** JSON with the members of every object in the order of their names. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** Where gzip notes when it packed (RFC 1952 §2.3). Left out: a client that packs anew for each try still sends the same file. */
const GZIP_MTIME = { from: 4, to: 8 };

async function digestFile(path: string): Promise<string> {
  const digest = createHash("sha256");
  let isBegin = true;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    if (isBegin && isGzip(chunk)) chunk.fill(0, GZIP_MTIME.from, Math.min(GZIP_MTIME.to, chunk.length));
    isBegin = false;
    digest.update(chunk);
  }
  return digest.digest("hex");
}
