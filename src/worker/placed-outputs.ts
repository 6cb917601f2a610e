import type { SourcedImage } from "../db/known-sources.ts";
import { outputFileName } from "../domain/file-name.ts";
import { FORMAT_FILES, outputNames } from "../domain/recipe.ts";
import type { OutputPlace } from "../storage/storage.ts";
import type { Stages } from "./stages.ts";

/**
 * The stages of one attempt. They put no file at its place once `signal` is aborted: whoever took over a lost claim may have settled
 * files of the same names. And they note in `placed` each output that they put there. Whether a row names it is not known before the attempt is settled: until then another attempt may have put its own there.
 */
export function notePlaced(stages: Stages, placed: OutputPlace[], signal: AbortSignal): Stages {
  const note = ({ batchId, ordinal, fileName }: OutputPlace) => void placed.push({ batchId, ordinal, fileName });
  return {
    ...stages,
    async keepOutput(tempPath, at) {
      signal.throwIfAborted();
      const kept = await stages.keepOutput(tempPath, at);
      if (kept.ok) note(at);
      return kept;
    },
    async keepInput(tempPath, at) {
      signal.throwIfAborted();
      return stages.keepInput(tempPath, at);
    },
    async linkOutput(from, to) {
      signal.throwIfAborted();
      const linked = await stages.linkOutput(from, to);
      if (linked.ok && linked.value) note(to);
      return linked;
    },
    async linkInput(from, to) {
      signal.throwIfAborted();
      return stages.linkInput(from, to);
    },
  };
}

/** Everywhere that any attempt can have put an output: one that was killed, or called off, has told nobody. */
export function placesOf({ batchId, ordinal, stem, batch: { recipe } }: SourcedImage): OutputPlace[] {
  const extensions = Object.values(FORMAT_FILES).map(({ extension }) => extension);
  const fileNames = outputNames(recipe).flatMap((name) => extensions.map((extension) => outputFileName(stem, name, extension)));
  return fileNames.map((fileName) => ({ batchId, ordinal, fileName }));
}
