import { createWriteStream } from "node:fs";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { MultipartFile } from "@fastify/multipart";
import type { FastifyRequest } from "fastify";
import type { Layout } from "../csv/choose-layout.ts";
import { ProblemError } from "./problems.ts";

export type ReceivedUpload = {
  path: string; bytes: number; fileName: string | null; fields: Record<string, unknown>;
  /** Set where the file was made from JSON. */
  layout: Layout | null;
};

export type ReceiveDeps = {
  tempPath(extension: string): string; uploadBytesMax: number; uploadMs: number;
  /** Through the address guard. */
  fetchCsv(url: string, path: string): Promise<{ ok: true; bytes: number } | { ok: false; code: string; message: string }>;
};

/** Bytes of all form fields together; an option is a few words. */
export const FIELD_BYTES_MAX = 8 * 1024;
export const FIELDS_MAX = 20;
/** So much later than the deadline of the file itself, which can still be answered. */
const GRACE_MS = 5_000;

type Receive = (request: FastifyRequest, deps: ReceiveDeps) => Promise<ReceivedUpload>;

/** Spools the upload to disk, never to memory, whichever way it comes, and gathers the options beside it. */
export async function receiveWithin(request: FastifyRequest, deps: ReceiveDeps, receive: Receive): Promise<ReceivedUpload> {
  // A client that stops in the middle of the multipart frame holds its connection no longer than one that trickles.
  const deadline = setTimeout(() => request.raw.destroy(), deps.uploadMs + GRACE_MS);
  try {
    return await receive(request, deps);
  } finally {
    clearTimeout(deadline);
  }
}

/** A CSV as a form's file or as the body itself. */
export async function receiveFile(request: FastifyRequest, deps: ReceiveDeps): Promise<ReceivedUpload> {
  const path = deps.tempPath("csv");
  const query = request.query as Record<string, unknown>;
  if (!request.isMultipart()) {
    if (!request.body) throw new ProblemError("file_missing", "Expected the CSV as a file in the field `file` (curl -F file=@products.csv), or as a text/csv body.");
    const bytes = await spool(request.body as Readable, path, deps);
    return { path, bytes, fileName: null, fields: { ...query }, layout: null };
  }
  const fields: Record<string, unknown> = { ...query };
  let file: { bytes: number; fileName: string | null } | null = null;
  for await (const part of request.parts({ limits: { files: 2, fields: FIELDS_MAX, fieldSize: FIELD_BYTES_MAX, fileSize: deps.uploadBytesMax } })) {
    if (part.type === "field") {
      const known = fields[part.fieldname];
      // A field that comes twice is a list.
      fields[part.fieldname] = known === undefined ? part.value : [known, part.value].flat();
      continue;
    }
    if (file !== null) throw await refuse(part, new ProblemError("too_many_files", "Expected one file, in the field `file`; upload the others on their own."));
    if (part.fieldname !== "file") throw await refuse(part, new ProblemError("file_missing", `Expected the CSV in the field \`file\`, got a file in the field \`${part.fieldname.slice(0, 60)}\`.`));
    file = { bytes: await spool(part.file, path, deps), fileName: readableName(part.filename) };
    // The stream ends as if all were well where the limit cut it.
    if (part.file.truncated) throw tooLarge(deps.uploadBytesMax);
  }
  if (file === null) throw new ProblemError("file_missing", "Expected the CSV as a file in the field `file` (curl -F file=@products.csv).");
  return { path, ...file, fields, layout: null };
}

async function spool(source: Readable, path: string, { uploadBytesMax, uploadMs }: ReceiveDeps): Promise<number> {
  let bytes = 0;
  const counted = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > uploadBytesMax) throw tooLarge(uploadBytesMax);
      yield chunk;
    }
  };
  try {
    await pipeline(source, counted, createWriteStream(path), { signal: AbortSignal.timeout(uploadMs) });
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") throw new ProblemError("request_timeout", `The upload did not come within ${uploadMs / 1_000} s.`);
    throw error;
  }
  return bytes;
}

/** A name is shown to people and never becomes a path. */
export function readableName(name: string): string | null {
  // eslint-disable-next-line no-control-regex -- control characters are what this removes
  return name.replaceAll(/[\u0000-\u001F\u007F]/g, "").slice(0, 255).toWellFormed() || null;
}

async function refuse(part: MultipartFile, problem: ProblemError): Promise<ProblemError> {
  part.file.resume();
  return problem;
}

function tooLarge(bytesMax: number): ProblemError {
  return new ProblemError("upload_too_large", `Expected at most ${bytesMax} bytes (UPLOAD_BYTES_MAX); split the file, or let the operator raise the limit.`);
}
