import { unlink } from "node:fs/promises";
import { errorCode } from "../domain/error-code.ts";

export async function unlinkIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!isNoEntry(error)) throw error;
  });
}

export function isNoEntry(error: unknown): boolean {
  return errorCode(error) === "ENOENT";
}
