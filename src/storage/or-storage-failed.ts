import { errorCode } from "../domain/error-code.ts";
import { succeeded, type StageResult } from "../domain/image/stage-result.ts";
import { storageFailure } from "../domain/image/storage-failure.ts";

/** What the disk refuses is an image's failure, not ours. */
export async function orStorageFailed<T>(work: () => Promise<T>): Promise<StageResult<T>> {
  try {
    return succeeded(await work());
  } catch (error) {
    if (errorCode(error) === "") throw error;
    return { ok: false, failure: storageFailure(error, "The file could not be stored") };
  }
}
