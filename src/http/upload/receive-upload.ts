import { isUtf8 } from "node:buffer";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { Transform, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { MultipartFile, MultipartValue } from "@fastify/multipart";
import type { FastifyRequest } from "fastify";
import { errorCode } from "../../domain/error-code.ts";
import { ProblemError } from "../problems.ts";
import type { GivenOptions } from "../../intake/options/read-options.ts";
import { LINGER_MS, readOff } from "../read-off.ts";

export type ReceivedUpload = GivenOptions & { path: string; bytes: number; fileName: string | null };
/** What stands for the file where its CSV is still to be fetched. */
export type ReceivedAddress = GivenOptions & { csvUrl: string };

export type ReceiveDeps = {
  tempPath(extension: string): string;
  uploadBytesMax: number;
  /** When the body must have come whole. */
  deadline: AbortSignal;
};

/** The longest option is metadata: 8,192 characters, of three bytes each where they are far from ASCII. */
const FIELD_BYTES_MAX = 32 * 1024;
/** `imageColumns` can come a hundred times, and there are a dozen other options: 4 MB at most, all filled. */
export const FIELDS_MAX = 120;
/** What a form can add to its file: its fields, and as much again for their headers. */
const FRAME_BYTES_MAX = 2 * FIELDS_MAX * FIELD_BYTES_MAX;

export type Receive = (request: FastifyRequest, deps: ReceiveDeps) => Promise<ReceivedUpload | ReceivedAddress>;

/** Receives an upload with its options, whichever way it comes, within its bytes and time. What is refused is read off. */
export async function receiveWithin(
  request: FastifyRequest,
  deps: Omit<ReceiveDeps, "deadline">,
  receive: Receive,
  uploadMs: number,
): Promise<ReceivedUpload | ReceivedAddress> {
  const { socket } = request.raw;
  // A body past its deadline is answered. Only a client that stops in the middle of a form's frame, where nobody reads, is cut off.
  const cutOff = setTimeout(() => socket.destroy(), uploadMs + LINGER_MS);
  try {
    // A body that announces itself as too large is refused unread.
    if (Number(request.headers["content-length"] ?? 0) > deps.uploadBytesMax + FRAME_BYTES_MAX) throw uploadTooLarge(deps.uploadBytesMax);
    return await receive(request, { ...deps, deadline: AbortSignal.timeout(uploadMs) });
  } catch (error) {
    readOff(request.raw);
    throw error;
  } finally {
    clearTimeout(cutOff);
  }
}

/** A CSV as a form's file or as the body itself. */
export async function receiveFile(request: FastifyRequest, deps: ReceiveDeps): Promise<ReceivedUpload> {
  return request.isMultipart() ? receiveForm(request, deps) : receiveBody(request, deps);
}

async function receiveBody(request: FastifyRequest, deps: ReceiveDeps): Promise<ReceivedUpload> {
  if (!request.body)
    throw new ProblemError(
      "file_missing",
      "Expected the CSV as a file in the field `file` (curl -F file=@products.csv), or as a text/csv body.",
    );
  const path = deps.tempPath("csv");
  const bytes = await spool(request.body as Readable, path, deps);
  return { path, bytes, fileName: null, fields: { ...(request.query as Record<string, unknown>) }, layout: null };
}

/** The options of a form can come before and after its file, and in the query as well. */
async function receiveForm(request: FastifyRequest, deps: ReceiveDeps): Promise<ReceivedUpload> {
  const path = deps.tempPath("csv");
  const fields: Record<string, unknown> = { ...(request.query as Record<string, unknown>) };
  let file: { bytes: number; fileName: string | null } | null = null;
  for await (const part of request.parts(FORM_RULES)) {
    if (part.type === "field") addField(fields, part);
    else if (file !== null)
      throw new ProblemError("too_many_files", "Expected one file, in the field `file`; upload the others on their own.");
    else if (part.fieldname !== "file")
      throw new ProblemError("file_missing", `Expected the CSV in the field \`file\`, got a file in ${nameOfField(part.fieldname)}.`);
    else file = await spoolPart(part, path, deps);
  }
  if (file === null) throw new ProblemError("file_missing", "Expected the CSV as a file in the field `file` (curl -F file=@products.csv).");
  return { path, ...file, fields, layout: null };
}

const FORM_RULES = {
  // The file's size is counted here: the parser would go on reading what is too large to its end.
  limits: { files: 2, fields: FIELDS_MAX, fieldSize: FIELD_BYTES_MAX, fileSize: Infinity },
  /**
   * Whatever comes in `file` is the file. Many clients send bytes from memory without a name, by which alone the parser would tell
   * a file from text, and a field's 32 KiB are too few for it.
   */
  isPartAFile: (fieldName: string | undefined, contentType: string | undefined, fileName: string | undefined) =>
    fieldName === "file" || fileName !== undefined || contentType === "application/octet-stream",
};

/** The parser's types promise a name, which a part need not have. */
type FilePart = Pick<MultipartFile, "file"> & { filename: string | undefined };

async function spoolPart(
  { file, filename }: FilePart,
  path: string,
  deps: ReceiveDeps,
): Promise<{ bytes: number; fileName: string | null }> {
  const bytes = await spool(file, path, deps);
  if (filename === undefined && (await isOneLine(path, bytes)))
    throw new ProblemError(
      "file_missing",
      "Expected the CSV in the field `file`, got one line of text; to send a file, put an @ before its path (curl -F file=@products.csv).",
    );
  return { bytes, fileName: readableName(filename ?? "") };
}

const PATH_BYTES_MAX = 4_096;

/** A file's path, most likely, in the place of the file: a CSV has a header and a row. */
async function isOneLine(path: string, bytes: number): Promise<boolean> {
  if (bytes === 0 || bytes > PATH_BYTES_MAX) return false;
  const content = await readFile(path);
  return isUtf8(content) && !/[\r\n]/.test(content.toString().trim());
}

/** A field that comes twice is a list. */
function addField(fields: Record<string, unknown>, { fieldname: name, value, valueTruncated }: MultipartValue): void {
  if (valueTruncated)
    throw new ProblemError(
      "upload_too_large",
      `Expected at most ${FIELD_BYTES_MAX} bytes in the field \`${name.slice(0, 60)}\`, got more.`,
    );
  const known = fields[name];
  fields[name] = known === undefined ? value : [known, value].flat();
}

/** A part can come without a name, whatever its type says. */
function nameOfField(name: string | undefined): string {
  return name === undefined ? "a field without a name" : `the field \`${name.slice(0, 60)}\``;
}

async function spool(source: Readable, path: string, deps: ReceiveDeps): Promise<number> {
  const file = createWriteStream(path);
  await pipeline(readBody(source, { bytesMax: deps.uploadBytesMax, deadline: deps.deadline, tooLarge: uploadTooLarge }), file);
  return file.bytesWritten;
}

type BodyLimits = { bytesMax: number; deadline: AbortSignal; tooLarge(bytesMax: number): ProblemError };

/** The pieces of a body up to its cap and deadline. Its source survives them: a destroyed request cannot be answered. */
export function readBody(source: Readable, { bytesMax, deadline, tooLarge }: BodyLimits): Readable {
  let bytes = 0;
  const body = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > bytesMax) done(tooLarge(bytesMax));
      else done(null, chunk);
    },
  });
  const onDeadline = () =>
    body.destroy(
      new ProblemError(
        "request_timeout",
        "The upload took longer than it may (UPLOAD_SECONDS_MAX); send it over a faster line, packed with gzip, or in parts.",
      ),
    );
  const onClose = () => {
    if (!source.readableEnded) body.destroy(new ProblemError("bad_request", "The connection ended before the whole body had come."));
  };
  deadline.addEventListener("abort", onDeadline, { once: true });
  body.once("close", () => deadline.removeEventListener("abort", onDeadline));
  source.once("error", (error) => (errorCode(error) === "ECONNRESET" ? onClose() : body.destroy(error)));
  source.once("close", onClose);
  if (deadline.aborted) onDeadline();
  else if (source.destroyed) onClose();
  else source.pipe(body);
  return body;
}

/** A name is shown to people and never becomes a path. */
export function readableName(name: string): string | null {
  return (
    name
      .replaceAll(/[\u0000-\u001F\u007F]/g, "")
      .slice(0, 255)
      .toWellFormed() || null
  );
}

export function uploadTooLarge(bytesMax: number): ProblemError {
  return new ProblemError(
    "upload_too_large",
    `Expected at most ${bytesMax} bytes (UPLOAD_BYTES_MAX); split the upload, or let the operator raise the limit.`,
  );
}
