import { Command, CommanderError } from "commander";
import { ConfigError } from "../config.ts";
import { readVersion } from "../version.ts";
import { addCheck } from "./commands/check.ts";
import { addDemo } from "./commands/demo.ts";
import { addMigrate } from "./commands/migrate.ts";
import { addProcess } from "./commands/process.ts";
import { addReport } from "./commands/report.ts";
import { addReportUser } from "./commands/report-user.ts";
import { addServe } from "./commands/serve.ts";
import { Unusable } from "./unusable.ts";

/** Every command, in the order of the help. */
const COMMANDS: readonly ((program: Command) => void)[] = [addServe, addProcess, addCheck, addReport, addReportUser, addDemo, addMigrate];

const FAILED = 1;
const UNUSABLE = 2;
const OUTPUT_LOST = 3;

/** Runs the command of a command line; sets the exit code, or ends the process where something unexpected stopped it. */
export async function runProgram(words: readonly string[]): Promise<void> {
  // The reader of our output may leave (`| head`). What was begun is still brought to its end, or stopped cleanly.
  process.stdout.on("error", onLostOutput);
  process.stderr.on("error", () => {});
  const program = createProgram(await readVersion());
  if (words.length === 0) return program.outputHelp();
  try {
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) {
      // commander has printed what is wrong, and every such fault is the caller's.
      process.exitCode = error.exitCode === 0 ? 0 : UNUSABLE;
    } else if (error instanceof Unusable) {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = UNUSABLE;
    } else {
      process.stderr.write(`${describe(error)}\n`);
      process.exit(FAILED);
    }
  }
}

/** Output that a full disk swallows, such as a password that is shown once, must not pass for success. */
function onLostOutput(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") return;
  process.stderr.write(`The output could not be written: ${error.message}\n`);
  process.exitCode = OUTPUT_LOST;
}

function createProgram(version: string): Command {
  const program = new Command("pressrun")
    .description("Downloads and compresses the images of a CSV of product image URLs.")
    .version(version)
    .helpCommand(true)
    .exitOverride()
    .showHelpAfterError("(add --help to see what there is)")
    .addHelpText("after", "\nSettings come from the environment; docs/operating.md lists them.");
  for (const add of COMMANDS) add(program);
  refuseDoubled(program);
  return program;
}

/** Of a value that comes twice the last would count, and nobody would hear of the first; HTTP refuses it as well. */
function refuseDoubled(command: Command): void {
  for (const option of command.options.filter(({ required, optional, variadic }) => (required || optional) && !variadic)) {
    let before: string | null = null;
    command.on(`option:${option.name()}`, (value: string) => {
      if (before !== null) command.error(`error: option '${option.flags}' came as '${before}' and as '${value}'; expected it once`);
      before = value;
    });
  }
  command.commands.forEach(refuseDoubled);
}

/** The message of an error, or the stack of one that looks like a fault of the program. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof ConfigError || error.name !== "TypeError" ? error.message : String(error.stack);
}
