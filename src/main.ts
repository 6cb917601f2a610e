import { ConfigError } from "./config.ts";

const COMMANDS: Record<string, () => Promise<void>> = {
  serve: async () => (await import("./cli/serve.ts")).serve(),
  migrate: async () => (await import("./cli/migrate.ts")).migrate(),
  demo: async () => (await import("./cli/demo.ts")).demo(),
  check: async () => (await import("./cli/check.ts")).check(process.argv.slice(3)),
};

const USAGE = `Usage: pressrun COMMAND

  serve    serve the API and work on images (npm start)
  migrate  bring the database up to date, and end
  demo     run a sample catalogue through the whole service, and end
  check    say what a file is and what would become of it, and store nothing

Settings come from the environment; README.md lists them.`;

const command = COMMANDS[process.argv[2] ?? ""];
if (!command) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(process.argv[2] === undefined || process.argv[2] === "--help" ? 0 : 2);
}
try {
  await command();
} catch (error) {
  const isExpected = error instanceof ConfigError || (error instanceof Error && !("stack" in error && error.name === "TypeError"));
  process.stderr.write(`${isExpected ? error.message : String(error instanceof Error ? error.stack : error)}\n`);
  process.exit(1);
}
