import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isNoEntry } from "./unlink-if-there.ts";

/**
 * Removes folders with all that is in them, what lies right in each one after the other: millions of files take minutes, and what is left
 * when `signal` is aborted stays.
 */
export async function removeFolders(folders: readonly string[], signal?: AbortSignal): Promise<void> {
  for (const folder of folders) {
    for (const name of await readdirIfThere(folder)) {
      signal?.throwIfAborted();
      await rm(join(folder, name), { recursive: true, force: true });
    }
    await rm(folder, { recursive: true, force: true });
  }
}

export async function readdirIfThere(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (isNoEntry(error)) return [];
    throw error;
  });
}
