import { ConfigError } from "../../config.ts";
import { endProcess } from "../end-process.ts";
import { watchForInterruption } from "../interruption.ts";
import { readOrder } from "./process-order.ts";
import { createProgress } from "../progress.ts";
import { runFile } from "./run-file.ts";
import { exitCodeOf, jsonOfFailure, jsonOfRun, writeSummary } from "./describe-run.ts";
import { Unusable } from "../unusable.ts";

/** Something on our side stopped it; 1 says that images failed, and 2 that the caller has to mend something. */
const COULD_NOT_GO_ON = 3;

/** Works one file to its end, from where it was stopped. `flags` are the command's, by the names of the API's options. */
export async function processFile(file: string, { json: isJson = false, ...flags }: Readonly<Record<string, unknown>>): Promise<void> {
  const progress = createProgress(process.stderr);
  const interruption = watchForInterruption(() => progress.note("Stopping: images in hand are finished first; once more to stop at once."));
  const print = (json: object, text: string) => process.stdout.write(isJson ? `${JSON.stringify(json, null, 2)}\n` : text);
  try {
    const run = await runFile(await readOrder(file, flags), progress, interruption.signal);
    print(jsonOfRun(run), writeSummary(run));
    process.exitCode = exitCodeOf(run);
  } catch (error) {
    progress.end();
    if (interruption.signal.aborted) {
      progress.note("Stopped. The same command goes on where it was.");
      print(jsonOfFailure("interrupted", "Stopped by a signal; the same command goes on where it was."), "");
      return await endProcess(interruption.exitCode);
    }
    const isUnusable = error instanceof Unusable || error instanceof ConfigError;
    const message = error instanceof Error ? error.message : String(error);
    print(jsonOfFailure(isUnusable ? "refused" : "broken", message, error), "");
    if (isUnusable) throw new Unusable(message, { cause: error });
    process.stderr.write(`It could not go on: ${message}\nThe same command goes on where it was, once that is mended.\n`);
    process.exitCode = COULD_NOT_GO_ON;
  } finally {
    interruption.end();
  }
}
