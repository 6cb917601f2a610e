import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { makeZip } from "client-zip";
import type { StoredFile } from "../storage/storage.ts";

export type OutputFile = StoredFile & { fileName: string };

/**
 * A ZIP of outputs, made while it is read. Begun by the first byte that is asked for, so that HEAD opens nothing. client-zip
 * ends no entries where it is cancelled: we do.
 */
export async function* zipOutputs(files: AsyncIterable<OutputFile>): AsyncGenerator<Buffer> {
  const entries = entriesOf(files);
  try {
    yield* Readable.fromWeb(makeZip(entries) as import("node:stream/web").ReadableStream);
  } finally {
    await entries.return(undefined);
  }
}

/** An entry's file is open until the next one is asked for, or the client is gone. */
async function* entriesOf(
  files: AsyncIterable<OutputFile>,
): AsyncGenerator<{ name: string; input: Readable; size: number; lastModified: Date }, void> {
  for await (const { fileName, path, bytes, modifiedAt } of files) {
    const input = createReadStream(path);
    try {
      yield { name: fileName, input, size: bytes, lastModified: modifiedAt };
    } finally {
      input.destroy();
    }
  }
}
