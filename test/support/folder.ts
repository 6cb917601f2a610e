import { statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onCleanup } from "./cleanup.ts";

export async function createTestFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "pressrun-"));
  onCleanup(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** A folder of the caller's own on another file system, to which files of the others cannot be linked; null where there is none. */
export async function createFolderElsewhere(): Promise<string | null> {
  const here = statSync(tmpdir()).dev;
  const elsewhere = ["/dev/shm", "/var/tmp"].find((path) => ![undefined, here].includes(statSync(path, { throwIfNoEntry: false })?.dev));
  if (elsewhere === undefined) return null;
  const folder = await mkdtemp(join(elsewhere, "pressrun-"));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
