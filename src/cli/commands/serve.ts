import type { Command } from "commander";

export function addServe(program: Command): void {
  program
    .command("serve")
    .description("serve the API and work on images (npm start)")
    .action(async () => (await import("../serve.ts")).serve());
}
