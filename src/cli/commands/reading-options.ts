import type { Command } from "commander";

/** Options for how a file is to be read, where that is not found by itself. */
export function addReadingOptions(command: Command): Command {
  return command
    .option("--image-columns <LIST>", "headers of the columns with image URLs, with commas between")
    .option("--name-column <HEADER>", "header of the column with names")
    .option("--id-column <HEADER>", "header of the column that outputs are named after")
    .option("--base-url <URL>", "what relative paths are relative to")
    .option("--on-invalid <WORD>", "reject (default): a bad URL refuses the file; skip: it is a failed image at its place");
}
