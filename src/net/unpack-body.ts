import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from "node:zlib";
import { errorCode } from "../domain/error-code.ts";
import { runInside, type Gate } from "../domain/load/gate.ts";
import { failed, succeeded, type StageResult } from "../domain/image/stage-result.ts";
import { FileRefused, type BodyFile } from "./body-file.ts";
import { READ_BYTES } from "./http1/connection.ts";

/** What we can unpack, by the names that HTTP has for it (RFC 9110 §8.4.1, RFC 7932). */
export type Coding = "gzip" | "x-gzip" | "deflate" | "br";

export function isCoding(name: string): name is Coding {
  return name === "gzip" || name === "x-gzip" || name === "deflate" || name === "br";
}

/** So many at once: brotli may need 16 MB for each, which a server could ask for with every download there is. */
export const UNPACKED_AT_ONCE = 4;

/**
 * Unpacks a body that has come whole into `file`, which throws BodyTooLarge at its limit: a bomb costs no more than any large file. Zeros
 * may stand behind the compressed data, and behind deflate and brotli anything. It is not unpacked as it comes: a body takes up to two minutes, and
 * all that are on their way would need their memory at once.
 */
export async function unpackBody(
  { path, head, coding }: { path: string; head: Buffer; coding: Coding },
  { file, gate, signal }: { file: BodyFile; gate: Gate; signal: AbortSignal },
): Promise<StageResult<null>> {
  const unpack = async () => {
    const decoder = createDecoder(coding, head);
    const source = createReadStream(path).once("error", (cause) => decoder.destroy(new FileRefused(cause)));
    const reading = pipeline(source, decoder, { signal }).catch(() => {});
    try {
      for await (const piece of decoder) {
        file.take(piece);
        await file.drain();
      }
    } finally {
      // It cannot end well where bytes are left that the decoder does not want; where it fails otherwise, the decoder throws it.
      await reading;
    }
  };
  try {
    await runInside(gate, unpack, signal);
    return succeeded(null);
  } catch (error) {
    const code = errorCode(error);
    const sent = `The server sent the file compressed (Content-Encoding: ${coding})`;
    if (code === "Z_BUF_ERROR") return failed("truncated", `${sent}, and it ends before it is whole.`);
    // The latter are those of brotli.
    if (/^(Z_|ERR__ERROR_)/.test(code)) return failed("http_error", `${sent}, and it cannot be unpacked (${code}).`);
    throw error;
  }
}

/** Of `deflate` some servers leave out the zlib header that belongs to it, as whose first byte has 8 in its lower half (RFC 1950 §2.2). */
function createDecoder(coding: Coding, head: Buffer) {
  const options = { chunkSize: READ_BYTES };
  switch (coding) {
    case "gzip":
    case "x-gzip":
      return createGunzip(options);
    case "deflate":
      return ((head[0] ?? 8) & 15) === 8 ? createInflate(options) : createInflateRaw(options);
    case "br":
      return createBrotliDecompress(options);
    default:
      return coding satisfies never;
  }
}
