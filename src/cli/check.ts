import { createWriteStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { readConfig } from "../config.ts";
import type { Preflight } from "../contract/preflight.ts";
import { ProblemError } from "../http/problems.ts";
import { readPreflightOptions } from "../http/read-options.ts";
import { surveyCatalogue } from "../intake/survey-catalogue.ts";
import { wirePreflight } from "../wire/preflight.ts";
import { writeReport } from "./check-report.ts";

const USAGE = `Usage: pressrun check FILE [options]

Says what FILE (- for the standard input) is and what would become of it; stores nothing, needs no server.

  --probe N               fetch N of its images (at most 200) and forecast the batch
  --json                  print what POST /v1/preflight answers
  --image-columns LIST    headers of the columns with image URLs, with commas between
  --name-column HEADER    header of the column with names
  --id-column HEADER      header of the column that outputs are named after
  --base-url URL          what relative paths are relative to
  --on-invalid skip       take a bad URL as a failed image and not as a problem

Ends with 0 where the file can be uploaded, 1 where it has problems, 2 where it cannot be looked at.`;

/** What the person who called can mend: a wrong argument, a file that is none. */
class Unusable extends Error {}

const HAS_PROBLEMS = 1;
const UNUSABLE = 2;

export async function check(words: string[]): Promise<void> {
  if (words.includes("--help") || words.includes("-h")) return void process.stdout.write(`${USAGE}\n`);
  const folder = await mkdtemp(join(tmpdir(), "pressrun-check-"));
  const stopped = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopped.abort());
  try {
    const { file, isJson, options } = readArguments(words);
    const report = await lookAt(await openFile(file, folder, stopped.signal), options, folder, stopped.signal);
    process.stdout.write(isJson ? `${JSON.stringify(report, null, 2)}\n` : writeReport(report));
    process.exitCode = report.ok ? 0 : HAS_PROBLEMS;
  } catch (error) {
    if (stopped.signal.aborted) process.exitCode = 130;
    else if (error instanceof Unusable) {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = UNUSABLE;
    } else throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Options = ReturnType<typeof readPreflightOptions>;

const FLAGS = {
  probe: { type: "string" }, json: { type: "boolean" },
  "image-columns": { type: "string" }, "name-column": { type: "string" }, "id-column": { type: "string" }, "base-url": { type: "string" }, "on-invalid": { type: "string" },
} as const;

function readArguments(words: string[]): { file: string; isJson: boolean; options: Options } {
  const { values, positionals } = parse(words);
  const [file, ...others] = positionals;
  if (file === undefined) throw new Unusable(USAGE);
  if (others.length > 0) throw new Unusable(`Expected one file, got ${positionals.length}; check them one by one.`);
  const { json: isJson = false, ...flags } = values;
  try {
    return { file, isJson, options: readPreflightOptions(Object.fromEntries(Object.entries(flags).map(([flag, value]) => [fieldOf(flag), value]))) };
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const faults = (error.more.errors ?? []).map((fault) => ("field" in fault ? `${flagOf(fault.field)}: ${fault.message}` : fault.message));
    throw new Unusable(faults.join("\n"), { cause: error });
  }
}

function parse(words: string[]) {
  try {
    return parseArgs({ args: words, options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw new Unusable(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`, { cause: error });
  }
}

function fieldOf(flag: string): string {
  return flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function flagOf(field: string): string {
  return `--${field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

type OpenedFile = { path: string; bytes: number; fileName: string | null };

/** The file is read twice, which the standard input cannot be: it is put aside first. */
async function openFile(file: string, folder: string, signal: AbortSignal): Promise<OpenedFile> {
  const path = file === "-" ? join(folder, "stdin.csv") : file;
  if (file === "-") await pipeline(process.stdin, createWriteStream(path), { signal });
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new Unusable(error.code === "ENOENT" ? `There is no file ${file}.` : `The file ${file} cannot be read (${error.code}).`);
  });
  if (!found.isFile()) throw new Unusable(`Expected a file, got ${found.isDirectory() ? "the directory" : "something else:"} ${file}.`);
  return { path, bytes: found.size, fileName: file === "-" ? null : basename(file) };
}

async function lookAt(csv: OpenedFile, { reading, format, probe }: Options, folder: string, signal: AbortSignal): Promise<Preflight> {
  let probed = 0;
  const { preflight, close } = await wirePreflight({
    // What is not asked for has no say: a check without a probe works beside any configuration.
    config: configFor(probe),
    survey: (order) => surveyCatalogue({ random: Math.random, signal }, order),
    tempPath: (extension) => join(folder, `${(probed += 1)}.${extension}`),
    discard: (path) => rm(path, { force: true }),
  });
  try {
    const report = await preflight({ csv, reading, probe, format }, signal);
    const [first] = report.problems;
    if (first?.code === "wrong_file_type") throw new Unusable(first.message);
    return report;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EACCES") throw new Unusable(`The file ${csv.path} may not be read (EACCES).`);
    throw error;
  } finally {
    close();
  }
}

function configFor(probe: number): ReturnType<typeof readConfig> {
  try {
    return readConfig(probe === 0 ? {} : process.env);
  } catch (error) {
    throw new Unusable(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
