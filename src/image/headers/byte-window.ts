import { open, type FileHandle } from "node:fs/promises";

/**
 * Reads a file's headers wherever they lie: from the bytes that are in memory, else from the file. Reading past
 * the end gives fewer bytes, never an error.
 */
export type ByteWindow = { read(offset: number, length: number): Promise<Buffer>; readonly size: number; close(): Promise<void> };

export function openByteWindow(input: { head: Buffer; path: string; bytes: number }): ByteWindow {
  let file: FileHandle | undefined;
  return {
    size: input.bytes,
    async read(offset, length) {
      if (offset + length <= input.head.length || input.head.length === input.bytes) return input.head.subarray(offset, offset + length);
      file ??= await open(input.path, "r");
      const buffer = Buffer.alloc(Math.max(0, Math.min(length, input.bytes - offset)));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
      // All of it was there before: the disk does not give it back, which is no fault of the image.
      if (bytesRead < buffer.length) throw Object.assign(new Error("the disk gave fewer bytes than the file has"), { code: "EIO" });
      return buffer;
    },
    async close() {
      await file?.close();
    },
  };
}

/** The same of bytes that are all in memory. What is read are views on them. */
export function windowOn(bytes: Buffer): ByteWindow {
  return openByteWindow({ head: bytes, path: "", bytes: bytes.length });
}
