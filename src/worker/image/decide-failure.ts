import { decideAfterFailure, type Outcome } from "../../domain/image/outcome.ts";
import type { StageFailure } from "../../domain/image/stage-result.ts";
import type { Warn } from "../../observe/calm-warn.ts";
import type { DiskGuard } from "../guards/disk-guard.ts";

export type Disk = Pick<DiskGuard, "check" | "onGivenUp" | "onStored" | "refusedMs">;
export type DecideDeps = { disk: Disk; warn: Warn };
type Tried = { batchId: string; ordinal: number; attempt: number };

/** An image that met a full disk, or for which no file or connection could be opened, is looked at again after this, by whoever has room. */
const RELEASE_MS = 5_000;

/**
 * A full disk is no fault of the image, whatever the codec or the file system called it, and whether a look at the disk shows it (a quota
 * is not seen there); nor is it that too few files may be open, or that no port is left.
 */
export async function decideFailure({ disk, warn }: DecideDeps, image: Tried, failure: StageFailure): Promise<Outcome<never>> {
  if (failure.lack !== undefined) {
    const { of, error } = failure.lack;
    if (of === "files") warn(error, "no further file or connection can be opened: raise the limit of open files, or lower DOWNLOADS");
    else warn(error, "no port is left for a further connection: widen net.ipv4.ip_local_port_range, or lower DOWNLOADS");
    return { kind: "release", delayMs: RELEASE_MS };
  }
  const mayBeDisk = failure.code === "storage_failed" || failure.code === "corrupt_image";
  if (mayBeDisk && !(await disk.check())) return { kind: "release", delayMs: RELEASE_MS };
  if (failure.isDiskFull) return { kind: "release", delayMs: disk.refusedMs(image, failure.detail) };
  const outcome = decideAfterFailure(failure, image.attempt, Math.random());
  if (outcome.kind === "give_up" && failure.code === "storage_failed") disk.onGivenUp(failure.detail);
  return outcome;
}
