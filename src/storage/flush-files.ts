import { closeSync, fdatasync, fdatasyncSync, openSync } from "node:fs";
import { rm } from "node:fs/promises";
import { succeeded, type StageResult } from "../domain/image/stage-result.ts";
import { orStorageFailed } from "./or-storage-failed.ts";

/** Puts files and their names on the disk. A result for each, in order; what the disk would not take is removed. */
export async function flushFiles(files: readonly { folder: string; path: string; isLinked: boolean }[]): Promise<StageResult<unknown>[]> {
  const flushed = await Promise.all(files.map(({ path, isLinked }) => (isLinked ? null : orStorageFailed(() => flush(path)))));
  const folders = await flushFolders(new Set(files.map(({ folder }) => folder)));
  return Promise.all(
    files.map(async ({ folder, path }, index) => {
      const failure = [flushed[index], folders.get(folder)].find((result) => result?.ok === false);
      if (failure === undefined) return succeeded(null);
      await rm(path, { force: true }).catch(() => {});
      return failure;
    }),
  );
}

/** Errors of systems on which a folder cannot be flushed. */
const NO_FOLDER_FLUSH = new Set(["EISDIR", "EINVAL", "EPERM", "EBADF", "ENOTSUP", "ENOSYS"]);

/** A name is on the disk once its folder is (fsync(2)). */
export async function flushFolder(folder: string): Promise<void> {
  await flush(folder).catch((error: NodeJS.ErrnoException) => {
    if (!NO_FOLDER_FLUSH.has(error.code ?? "")) throw error;
  });
}

async function flushFolders(folders: ReadonlySet<string>): Promise<Map<string, StageResult<unknown>>> {
  return new Map(
    await Promise.all([...folders].map(async (folder) => [folder, await orStorageFailed(() => flushFolder(folder))] as const)),
  );
}

/**
 * Only the flush itself may take long and goes to the thread pool. Opening and closing take 5 to 15 µs each, a trip to a
 * pool thread 60 to 300 µs while every core is busy encoding.
 */
async function flush(path: string): Promise<void> {
  const file = openSync(path, "r");
  try {
    await new Promise<void>((resolve, reject) => fdatasync(file, (error) => (error ? reject(error) : resolve())));
  } finally {
    closeSync(file);
  }
}

export function flushNow(path: string): void {
  const file = openSync(path, "r");
  try {
    fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
}
