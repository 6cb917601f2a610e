import type { Readable } from "node:stream";
import type { FastifyRequest } from "fastify";
import { ProblemError, unsupportedMediaType } from "../problems.ts";
import { readOff } from "../read-off.ts";
import { readBody } from "../upload/receive-upload.ts";

/** Many times what the two numbers of a resume take. */
const BODY_BYTES_MAX = 1024;

/**
 * The JSON of a request that may have none, as a change of a batch has; undefined where it has none. JSON comes as a stream on every route,
 * since uploads do; what is refused of it is read off, or it would hold up its connection.
 */
export async function readSmallJson(request: FastifyRequest, uploadMs: number, expected: string): Promise<unknown> {
  // The fields of a form would be passed over.
  if (request.isMultipart()) throw unsupportedMediaType(request);
  const text = request.body ? await readText(request, uploadMs) : "";
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new ProblemError("bad_request", `Expected ${expected}, got what is neither.`);
  }
}

async function readText(request: FastifyRequest, uploadMs: number): Promise<string> {
  const tooLarge = () => new ProblemError("upload_too_large", `Expected at most ${BODY_BYTES_MAX} bytes of JSON.`);
  try {
    const chunks: Buffer[] = await readBody(request.body as Readable, {
      bytesMax: BODY_BYTES_MAX,
      deadline: AbortSignal.timeout(uploadMs),
      tooLarge,
    }).toArray();
    return Buffer.concat(chunks).toString();
  } catch (error) {
    readOff(request.raw);
    throw error;
  }
}
