import { access, opendir } from "node:fs/promises";
import { join } from "node:path";
import { isUuid } from "../domain/ids.ts";
import { modifiedMs } from "./modified-ms.ts";
import type { Paths } from "./paths.ts";

const PAGE_FOLDERS = 1_000;

/**
 * The ids of batches of which there is only the upload, unchanged for `idleMs` by the clock `now`. A page of them after so many folders,
 * even where it is empty: whoever reads them can stop in between. Nearly every folder is that of a batch with other files, which one look
 * tells; what is left is asked for its age. All folders at once, ages first, took 1.75 GB for half a million batches.
 */
export async function* listUploads(paths: Paths, idleMs: number, now: () => Promise<number>): AsyncGenerator<string[]> {
  const beforeMs = (await now()) - idleMs;
  let page: string[] = [];
  let looked = 0;
  for await (const { name } of await opendir(paths.csvFolders)) {
    if (isUuid(name) && !(await hasOtherFiles(paths, name)) && (await modifiedMs(join(paths.csvFolders, name))) < beforeMs) page.push(name);
    looked += 1;
    if (looked % PAGE_FOLDERS > 0) continue;
    yield page;
    page = [];
  }
  yield page;
}

/** One that cannot be looked at is counted as there. */
async function hasOtherFiles(paths: Paths, batchId: string): Promise<boolean> {
  for (const folder of [paths.inputFolder, paths.outputFolder, paths.resultFolder]) {
    const isThere = await access(folder(batchId)).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
    );
    if (isThere) return true;
  }
  return false;
}
