import type { SourcedImage } from "../../db/known-sources.ts";
import { outputFileName } from "../../domain/file-name.ts";
import { FORMAT_FILES, outputNames } from "../../domain/image/recipe.ts";
import type { OutputPlace } from "../../storage/storage.ts";
import type { Lease } from "../claim/pump.ts";
import type { Stages } from "./stages.ts";

/**
 * The stages of one attempt, which do two things more:
 * - They put no file at its place before `confirm` has said that the claim is still ours. Another process may have taken it over, and
 *   settled files of the same names.
 * - They note in `placed` each output that they put at its place. Only the settle knows whether a row names it, and removes those that
 *   none does.
 */
export function placeConfirmed(stages: Stages, placed: OutputPlace[], confirm: Lease["confirm"]): Stages {
  const note = ({ batchId, ordinal, fileName }: OutputPlace) => void placed.push({ batchId, ordinal, fileName });
  return {
    ...stages,
    async keepOutput(tempPath, at) {
      await confirm();
      const kept = await stages.keepOutput(tempPath, at);
      if (kept.ok) note(at);
      return kept;
    },
    async keepInput(tempPath, at) {
      await confirm();
      return stages.keepInput(tempPath, at);
    },
    async linkOutput(from, to) {
      await confirm();
      const linked = await stages.linkOutput(from, to);
      if (linked.ok && linked.value) note(to);
      return linked;
    },
    async linkInput(from, to) {
      await confirm();
      return stages.linkInput(from, to);
    },
  };
}

/** Every place where any attempt at the image may have put an output. One that was killed, or called off, could not say what it put where. */
export function placesOf({ batchId, ordinal, stem, batch: { recipe } }: SourcedImage): OutputPlace[] {
  const extensions = Object.values(FORMAT_FILES).map(({ extension }) => extension);
  const fileNames = outputNames(recipe).flatMap((name) => extensions.map((extension) => outputFileName(stem, name, extension)));
  return fileNames.map((fileName) => ({ batchId, ordinal, fileName }));
}
