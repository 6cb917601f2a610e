import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isNoEntry } from "./unlink-if-there.ts";

/**
 * Removes folders with all that is in them, what lies right in each one after the other: millions of files take minutes, and what is left
 * when `signal` is aborted stays. Of a symbolic link in the place of one only the link goes: what it leads to is somebody else's.
 */
export async function removeFolders(folders: readonly string[], signal?: AbortSignal): Promise<void> {
  for (const folder of folders) {
    for (const name of await namesIn(folder)) {
      signal?.throwIfAborted();
      await rm(join(folder, name), { recursive: true, force: true });
    }
    await rm(folder, { recursive: true, force: true });
  }
}

async function namesIn(folder: string): Promise<string[]> {
  const found = await noneIfMissing(lstat(folder));
  return found?.isDirectory() === true ? readdirIfThere(folder) : [];
}

export async function readdirIfThere(folder: string): Promise<string[]> {
  return (await noneIfMissing(readdir(folder))) ?? [];
}

async function noneIfMissing<T>(looking: Promise<T>): Promise<T | null> {
  return looking.catch((error: unknown) => {
    if (isNoEntry(error)) return null;
    throw error;
  });
}
