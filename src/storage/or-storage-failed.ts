import { diskFullCode } from "../domain/disk-full.ts";
import { errorCode } from "../domain/error-code.ts";
import { outOfFiles } from "../domain/load/open-files.ts";
import { failed, succeeded, type StageResult } from "../domain/stage-result.ts";

/** What the disk refuses is an image's failure, not ours: full, over quota, read-only, broken; or that nothing more can be opened. */
export async function orStorageFailed<T>(work: () => Promise<T>): Promise<StageResult<T>> {
  try {
    return succeeded(await work());
  } catch (error) {
    const code = errorCode(error);
    if (code === "") throw error;
    const full = diskFullCode(error);
    return outOfFiles(error) ?? failed("storage_failed", `The file could not be stored (${full ?? code}).`, { isDiskFull: full !== null });
  }
}
