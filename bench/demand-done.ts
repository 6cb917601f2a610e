import type { BatchStatusView } from "../src/contract/status.ts";

type Progress = Pick<BatchStatusView["progress"], "completed" | "failed" | "skipped" | "reused">;

/** What a batch is to come to: every image done, none of them linked to what was made before unless so many are said. */
export type Expected = { images: number; reused?: number };

/** What failed costs next to nothing, so that a figure of it flatters: the first image that fails ends the benchmark. */
export function demandNoneFailed({ failed, skipped }: Progress, { images }: Expected): void {
  if (failed + skipped > 0) throw new Error(`Expected all of ${images} images to be done, ${failed} failed and ${skipped} were skipped.`);
}

/** For a batch that has ended. */
export function demandAllDone(progress: Progress, { images, reused = 0 }: Expected): void {
  demandNoneFailed(progress, { images });
  if (progress.completed !== images) throw new Error(`Expected all of ${images} images to be done, ${progress.completed} were.`);
  if (progress.reused !== reused) throw new Error(`Expected ${reused} of ${images} images to be reused, ${progress.reused} were.`);
}
