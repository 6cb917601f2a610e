import { diskFullCode } from "../disk-full.ts";
import { errorCode } from "../error-code.ts";
import { outOfFiles } from "../load/open-files.ts";
import { failureOf, type StageFailure } from "./stage-result.ts";

/**
 * What the system says of a file of ours, as the image's failure: that the disk is full, over quota, read-only, broken or away; or that nothing more
 * can be opened. `what` begins the sentence.
 */
export function storageFailure(error: unknown, what: string): StageFailure {
  const isDiskFull = diskFullCode(error) !== null;
  return outOfFiles(error)?.failure ?? failureOf("storage_failed", `${what} (${errorCode(error)}).`, { isDiskFull });
}
