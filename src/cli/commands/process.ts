import type { Command } from "commander";
import { addReadingOptions } from "./reading-options.ts";

const EXIT_CODES = `
Ctrl-C stops it; the same command goes on where it was. Ends with 0 where every image was made, 1 where some or all failed, 2 where
FILE, options or DIR cannot be used (nothing is begun then), 3 where it could not go on, or its output could not be written,
130, 143 or 129 where Ctrl-C, SIGTERM or SIGHUP stopped it.
docs/command-line.md says more.`;

export function addProcess(program: Command): void {
  const command = program
    .command("process")
    .summary("run one file to its end, with no server: images and results in a folder")
    .description("Downloads and compresses every image of FILE, and writes images and result CSV into DIR. Needs no server.")
    .argument("<FILE>", "the CSV, or - for the standard input")
    .requiredOption("--out <DIR>", "where results go; what is needed to go on lies in DIR/.pressrun")
    .option("--json", "print one JSON object at the end; progress goes to stderr as always")
    .option("--again", "run over a finished DIR once more: what failed is tried again, what changed is made anew, the rest stays")
    .option("--public-url <URL>", "where DIR/images will be reached: the result CSV has URLs below it, and import.csv is written")
    .option(
      "--source-headers <FILE>",
      'JSON: request headers for protected origins, [{"host":"images.shop.example","headers":{"authorization":"Bearer …"}}]',
    )
    .optionsGroup("Recipe (docs/recipes.md):")
    .option("--preset <NAME>", "seed, balanced (default) or small")
    .option("--format <WORD>", "jpeg, webp, avif, png or auto")
    .option("--quality <N>", "1 to 100")
    .option("--width <N>", "pixels at most")
    .option("--height <N>", "pixels at most")
    .option("--fit <WORD>", "inside, cover, contain, fill or outside")
    .option("--background <COLOUR>", "#rrggbb, behind what was transparent")
    .option("--metadata <WORD>", "what stays of the images' own: none, icc or copyright")
    .option("--effort <WORD>", "fast, balanced or small")
    .option("--outputs <JSON>", 'several outputs of each image: [{"name":"large","width":2048},{"name":"thumb","width":200}]')
    .option("--refresh <WORD>", "with --again: auto (default), or always to make all of it anew")
    .optionsGroup("Reading FILE:");
  addReadingOptions(command)
    .addHelpText("after", EXIT_CODES)
    .action(async (file: string, flags: Record<string, unknown>) => (await import("../process/process-file.ts")).processFile(file, flags));
}
