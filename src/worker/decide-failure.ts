import { decideAfterFailure, type Outcome } from "../domain/outcome.ts";
import type { StageFailure } from "../domain/stage-result.ts";

export type Disk = { check(): Promise<boolean> };

/** An image that met a full disk is looked at again after this, by whoever has room. */
const RELEASE_MS = 5_000;

/** A full disk is no fault of the image, whatever the codec or the file system called it. */
export async function decideFailure(failure: StageFailure, attempt: number, disk: Disk): Promise<Outcome<never>> {
  const mayBeDisk = failure.code === "storage_failed" || failure.code === "corrupt_image";
  if (mayBeDisk && !(await disk.check())) return { kind: "release", delayMs: RELEASE_MS };
  return decideAfterFailure(failure, attempt, Math.random());
}
