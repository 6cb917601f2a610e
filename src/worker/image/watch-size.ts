import type { Begun } from "../../domain/load/disk-load.ts";
import type { DiskGuard } from "../guards/disk-guard.ts";
import type { Lease } from "../claim/pump.ts";

/**
 * Tells the disk of an image as it comes, from when it is asked for, and gives it back where there is no room for it. Not from when it is
 * claimed, or those that wait for a slow host would keep others from being claimed.
 */
export function watchSize(disk: Pick<DiskGuard, "begin">, files: number, { onNoRoom }: Pick<Lease, "onNoRoom">) {
  let begun: Begun | undefined;
  return {
    /** The first counts, where it is asked for twice: a 304 brings nothing, and the earlier outputs may be gone. */
    onAsked() {
      begun ??= disk.begin(files);
    },
    onBody(bytes: number | null) {
      if (begun && !begun.onBody(bytes)) onNoRoom();
    },
    onBytes(count: number) {
      if (begun && !begun.onBytes(count)) onNoRoom();
    },
    onEnd: () => begun?.onEnd(),
  };
}
