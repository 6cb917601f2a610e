import type { OutputPlace } from "../storage/storage.ts";
import { LostClaim } from "./images-in-hand.ts";
import type { Stages } from "./stages.ts";

export type AttemptStages = Stages & {
  /** Removes what this attempt has put at its place. */
  takeAwayOutputs(): Promise<void>;
};

/**
 * The stages of one attempt, which know what outputs it has put at their places: where it does not end as done, no row
 * will name them. The input needs none of this: it is the last to be put at its place.
 */
export function rememberOutputs(stages: Stages, signal: AbortSignal): AttemptStages {
  const placed: OutputPlace[] = [];
  return {
    ...stages,
    async keepOutput(tempPath, at) {
      const kept = await stages.keepOutput(tempPath, at);
      if (kept.ok) placed.push(at);
      return kept;
    },
    async linkOutput(from, to) {
      const linked = await stages.linkOutput(from, to);
      if (linked.ok && linked.value) placed.push(to);
      return linked;
    },
    async takeAwayOutputs() {
      // Whoever has the claim now puts its files at the same places, and may have settled them.
      if (signal.reason instanceof LostClaim) return;
      // What the disk does not let go of must not hide why the attempt failed.
      await Promise.all(placed.splice(0).map(stages.removeOutput));
    },
  };
}
