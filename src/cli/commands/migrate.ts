import type { Command } from "commander";

export function addMigrate(program: Command): void {
  program
    .command("migrate")
    .description("bring the database up to date, and end")
    .action(async () => (await import("../migrate.ts")).migrate());
}
