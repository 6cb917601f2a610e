import type { Command } from "commander";

export function addDemo(program: Command): void {
  program
    .command("demo")
    .description("run a sample catalogue through the whole service, and end")
    .action(async () => (await import("../demo/demo.ts")).demo());
}
