import type { OutputPlace } from "../storage/storage.ts";
import type { Stages } from "./stages.ts";

/**
 * The stages of one attempt, which note in `placed` each output that they put at its place. Whether a row names it is not known before
 * the attempt is settled: until then another attempt may have put its own there.
 */
export function notePlaced(stages: Stages, placed: OutputPlace[]): Stages {
  const note = ({ batchId, ordinal, fileName }: OutputPlace) => void placed.push({ batchId, ordinal, fileName });
  return {
    ...stages,
    async keepOutput(tempPath, at) {
      const kept = await stages.keepOutput(tempPath, at);
      if (kept.ok) note(at);
      return kept;
    },
    async linkOutput(from, to) {
      const linked = await stages.linkOutput(from, to);
      if (linked.ok && linked.value) note(to);
      return linked;
    },
  };
}
