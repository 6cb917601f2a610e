import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { UploadWarning } from "../../domain/batch/csv-problem.ts";
import { surveyCatalogue } from "../../intake/survey-catalogue.ts";
import { RESULT_NAMES } from "./export-run.ts";
import { RefusedFile } from "./refused-file.ts";
import { openFile, type OpenedFile } from "../open-file.ts";
import { shownPath } from "../plain-words.ts";
import type { ProcessOrder } from "./process-order.ts";
import { differences, newRecord, readRecord, STATE_FOLDER, type RunRecord } from "./run-record.ts";
import { Unusable } from "../unusable.ts";

/** `known`: the run record that the folder held when it was looked at; `record`: the one that it is to hold, the same where a run goes on. */
export type PreparedRun = { csv: OpenedFile; warnings: UploadWarning[]; known: RunRecord | null; record: RunRecord };

/** Refuses all that can be refused before anything is begun. It writes nothing but the standard input, into `aside`. */
export async function prepareRun(
  order: ProcessOrder,
  { stateDir, aside, signal }: { stateDir: string; aside: string; signal: AbortSignal },
): Promise<PreparedRun> {
  const csv = await openFile(order.file, aside, signal);
  const warnings = await surveyFile(csv, order, signal);
  const wanted = newRecord({ name: csv.fileName, bytes: csv.bytes, sha256: await hashOf(csv.path, signal) }, optionsOf(order));
  const known = await readRecord(stateDir);
  return { csv, warnings, known, record: chooseRecord(order, known, wanted) };
}

/** Reads the file once before anything is begun, so that one that is refused leaves nothing behind. */
async function surveyFile(csv: OpenedFile, { options: { reading } }: ProcessOrder, signal: AbortSignal): Promise<UploadWarning[]> {
  const survey = await surveyCatalogue({ random: Math.random, signal }, { path: csv.path, reading, sampleSize: 0, now: Date.now() });
  signal.throwIfAborted();
  if (survey.problemCount > 0) throw new RefusedFile(csv.fileName ?? "standard input", survey.problems, survey.problemCount);
  return survey.warnings;
}

async function hashOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash, { signal });
  return hash.digest("hex");
}

/** All that outputs and results depend on, by the names of the options. */
function optionsOf({ options: { recipe, refresh, reading }, publicUrl }: ProcessOrder): Record<string, unknown> {
  const { onInvalid, wishes, baseUrl } = reading;
  return { ...recipe, refresh, onInvalid, imageColumns: wishes.images, nameColumn: wishes.name, idColumn: wishes.id, baseUrl, publicUrl };
}

/** The record of the folder's run where that is the one that is wanted, or a new one. */
function chooseRecord({ dir, again }: ProcessOrder, known: RunRecord | null, wanted: RunRecord): RunRecord {
  if (known === null) {
    const inTheWay = RESULT_NAMES.filter((name) => existsSync(join(dir, name)));
    if (inTheWay.length > 0)
      throw new Unusable(
        `${shownPath(dir)} holds ${inTheWay.join(", ")} already, of no run that is known here. Choose another --out, or move them away.`,
      );
    return wanted;
  }
  const isFinished = known.exportedAt !== null;
  if (isFinished && again) return wanted;
  const different = differences(known, wanted);
  if (different.length === 0) return known;
  const wayOut = isFinished
    ? "add --again to run over it (what has not changed is taken over)"
    : "let that one end first, by its own command";
  throw new Unusable(
    `${shownPath(dir)} holds ${isFinished ? "a finished" : "an unfinished"} run that differs in ${different.join("; ")}. Choose another --out, ${wayOut}, or remove ${shownPath(join(dir, STATE_FOLDER))} and its results to begin anew.`,
  );
}
