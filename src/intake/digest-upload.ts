import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { isGzip } from "../csv/unpack.ts";

/** What a client sent, before it is read with our defaults, so that a later version of ours finds the same in it. */
export type SaidUpload = {
  /** A CSV that is to be fetched stands for its address: what lies there can have changed, or be gone. */
  source: { path: string } | { csvUrl: string };
  /** Text of forms and queries, or JSON. */
  fields: Readonly<Record<string, unknown>>;
  /** Of the route, where the fields name none. */
  preset: string;
};

/** A digest of a short password could be tried out: credentials are told apart by a key that only the service has. */
export type Fingerprint = (text: string) => string;
const CREDENTIALS: ReadonlySet<string> = new Set(["sourceHeaders", "webhookAuthorization"]);

/**
 * SHA-256 in hex of what an upload asks for, whatever the order of its fields and under whatever file name. Stored: when it
 * changes, uploads that are sent again across that upgrade are refused.
 */
export async function digestUpload({ source, fields, preset }: SaidUpload, fingerprint: Fingerprint): Promise<string> {
  const said = Object.entries(fields).map(([name, value]) => [name, CREDENTIALS.has(name) ? fingerprint(canonicalJson(value)) : value]);
  const file = "csvUrl" in source ? { csvUrl: source.csvUrl } : { sha256: await digestFile(source.path) };
  return createHash("sha256")
    .update(canonicalJson({ ...file, preset, fields: Object.fromEntries(said) as object }))
    .digest("hex");
}

/** JSON with the members of every object in the order of their names. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** Where gzip writes down when it packed (RFC 1952 §2.3): a client that packs anew for each try sends the same file. */
const GZIP_MTIME = { from: 4, to: 8 };

async function digestFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  let isBegin = true;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    if (isBegin && isGzip(chunk)) chunk.fill(0, GZIP_MTIME.from, Math.min(GZIP_MTIME.to, chunk.length));
    isBegin = false;
    hash.update(chunk);
  }
  return hash.digest("hex");
}
