import type { Command } from "commander";
import { addReadingOptions } from "./reading-options.ts";

const EXIT_CODES = `
Ends with 0 where the file can be uploaded, 1 where it has problems, 2 where it cannot be looked at, 3 where its report cannot
be written.`;

export function addCheck(program: Command): void {
  const command = program
    .command("check")
    .summary("say what a file is and what would become of it, and store nothing")
    .description("Says what FILE is and what would become of it; stores nothing, needs no server.")
    .argument("<FILE>", "the CSV, or - for the standard input")
    .option("--probe <N>", "fetch N of its images (at most 200) and forecast the batch")
    .option("--json", "print what POST /v1/preflight answers");
  addReadingOptions(command)
    .addHelpText("after", EXIT_CODES)
    .action(async (file: string, flags: Record<string, unknown>) => (await import("../check/check.ts")).check(file, flags));
}
