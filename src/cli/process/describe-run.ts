import { join } from "node:path";
import { countsOf, settledOf } from "../../domain/batch/batch-state.ts";
import { beginningOf, withoutQuery } from "../../domain/url/image-url.ts";
import type { FailureCount } from "../../db/report/count-failures.ts";
import { IMAGE_CODES } from "../../domain/image/image-code.ts";
import { RefusedFile } from "./refused-file.ts";
import type { FinishedRun } from "./run-file.ts";
import { counted, withoutControls, duration, number, shownPath } from "../plain-words.ts";

export function exitCodeOf({ batch }: FinishedRun): 0 | 1 {
  return batch.outcome === "all" ? 0 : 1;
}

/** A run as people read it. */
export function writeSummary(run: FinishedRun): string {
  const { batch, failures, seconds, order } = run;
  const lines = [
    ...(seconds === null
      ? [
          `${shownPath(order.dir)} is finished: this run of ${batch.csvFileName ?? "the standard input"} ended before. Add --again to run over it once more.`,
          "",
        ]
      : []),
    row("Images", imagesLine(run)),
    ...describeFailures(failures),
    row("Bytes", `${bytes(batch.inputBytes)} before, ${bytes(batch.outputBytes)} after${saved(batch)}`),
    ...(seconds === null ? [] : [row("Time", timeLine(run, seconds))]),
    row("Images in", shownPath(join(order.dir, "images"))),
    row("Result CSV", shownPath(join(order.dir, "results.csv"))),
    ...(order.publicUrl === null ? [] : [row("To import", shownPath(join(order.dir, "import.csv")))]),
    ...(batch.imagesFailed === 0 ? [] : [row("Failures", shownPath(join(order.dir, "failures.csv")))]),
    ...hints(run),
  ];
  return `${lines.map(withoutControls).join("\n")}\n`;
}

function row(title: string, text: string): string {
  return `${title.padEnd(12)}${text}`;
}

function imagesLine({ batch }: FinishedRun): string {
  const { imagesDone, imagesTotal, imagesFailed, imagesReused } = batch;
  const reused = imagesReused > 0 ? ` (${number(imagesReused)} unchanged since the run before)` : "";
  return `${number(imagesDone)} of ${number(imagesTotal)} done${reused}, ${number(imagesFailed)} failed`;
}

function describeFailures(failures: readonly FailureCount[]): string[] {
  if (failures.length === 0) return [];
  const codeWidth = Math.max(...failures.map(({ code }) => code.length));
  const countWidth = Math.max(...failures.map(({ images }) => number(images).length));
  return failures.map((failure) => {
    const { code, images, detail } = failure;
    const example = `${images > 1 ? "for example " : ""}${shownUrl(failure)}: ${detail || IMAGE_CODES[code].message}`;
    return row("", `${code.padEnd(codeWidth)}  ${number(images).padStart(countWidth)}  ${example}`);
  });
}

/** Reports are printed into logs: no signature, key or password is shown. */
function shownUrl({ code, url }: FailureCount): string {
  return code === "url_invalid" ? beginningOf(url) : withoutQuery(url);
}

function bytes(count: number): string {
  return count < 1_000_000 ? `${number(count / 1_000)} kB` : `${number(count / 1_000_000)} MB`;
}

function saved({ inputBytes, outputBytes }: FinishedRun["batch"]): string {
  return inputBytes === 0 || outputBytes > inputBytes ? "" : `: ${Math.round(100 * (1 - outputBytes / inputBytes))} % saved`;
}

function timeLine({ batch, settledBefore }: FinishedRun, seconds: number): string {
  const settled = settledOf(countsOf(batch)) - settledBefore;
  const before = settledBefore > 0 ? `; ${counted(settledBefore, "image")} had been settled before` : "";
  return `${duration(seconds)}, ${number(settled / seconds)} images/s${before}`;
}

/** The command line, quoted for a shell. It must be whole: with other options `--again` would make other images. */
function sameWords(): string {
  const words = process.argv.slice(2).filter((word) => word !== "--again");
  return words.map((word) => (/^[\w./:,=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

function hints({ failures }: FinishedRun): string[] {
  const isBlocked = failures.some(({ code }) => code === "address_blocked");
  const mayHelp = failures.some(({ code }) => IMAGE_CODES[code].retry);
  return [
    ...(isBlocked
      ? [
          "",
          "Addresses that are not on the public internet are refused unless you admit them, for example",
          `  ALLOW_CIDRS=127.0.0.1/32,10.0.0.0/8 pressrun ${sameWords()} --again`,
        ]
      : []),
    ...(mayHelp && !isBlocked ? ["", "Some of it may pass: the same command with --again tries what failed once more."] : []),
  ];
}

/** A run for programs. Paths are absolute; files that were not written are null. */
export function jsonOfRun({ batch, failures, warnings, seconds, settledBefore, order }: FinishedRun): object {
  const { imagesTotal, imagesDone, imagesFailed, imagesReused, inputBytes, outputBytes } = batch;
  const at = (name: string, isThere = true) => (isThere ? join(order.dir, name) : null);
  return {
    outcome: batch.outcome,
    file: batch.csvFileName,
    out: order.dir,
    products: batch.products,
    images: { total: imagesTotal, done: imagesDone, failed: imagesFailed, reused: imagesReused, settledBefore },
    bytes: { input: inputBytes, output: outputBytes },
    seconds: seconds === null ? null : Number(seconds.toFixed(3)),
    failures: failures.map((failure) => {
      const { code, images, detail } = failure;
      return { code, images, example: { url: shownUrl(failure), message: detail } };
    }),
    warnings,
    imagesFolder: at("images"),
    resultsCsv: at("results.csv"),
    failuresCsv: at("failures.csv", imagesFailed > 0),
    importCsv: at("import.csv", order.publicUrl !== null),
  };
}

/** `refused`: nothing was begun. `interrupted`, `broken`: the same command goes on from where this one ended. */
export function jsonOfFailure(outcome: "refused" | "interrupted" | "broken", message: string, error?: unknown): object {
  return { outcome, message, ...(error instanceof RefusedFile ? { problems: error.problems, problemCount: error.problemCount } : {}) };
}
