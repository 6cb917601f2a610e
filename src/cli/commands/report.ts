import type { Command } from "commander";
import { REPORT_NAMES } from "../../domain/report.ts";

export function addReport(program: Command): void {
  program
    .command("report")
    .summary("print a report of what was done")
    .description(`Prints a report from the database: ${REPORT_NAMES.join(", ")}.`)
    .argument("<NAME>", "which one; docs/reporting.md describes each")
    .option("--format <WORD>", "table (default), csv or json")
    .option("--batch <ID>", "of one batch")
    .option("--since <WHEN>", "from then on: 2026-11-24, 2026-11-24T08:00Z, or 24h, 7d ago")
    .option("--until <WHEN>", "before then")
    .option("--limit <N>", "at most so many rows, the newest first; a table has 1,000 unless told otherwise")
    .action(async (name: string, flags: Record<string, string>) => (await import("../report/report.ts")).report({ name, ...flags }));
}
