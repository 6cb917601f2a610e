import type { Command } from "commander";

export function addReportUser(program: Command): void {
  const command = program
    .command("report-user")
    .summary("make, change or drop a role of the database that can read the reports and nothing else")
    .description("A role of the database that can read the views of schema report and nothing else: for psql and BI tools.");
  command
    .command("create")
    .description("makes it, and prints its connection string")
    .argument("<NAME>", "lower-case letters, digits and _")
    .option("--rotate", "give one that is there a new password")
    .action(async (name: string, flags: { rotate?: boolean }) =>
      (await import("../report/report-user.ts")).reportUser({ action: flags.rotate ? "rotate" : "create", name }),
    );
  command
    .command("rotate")
    .description("gives it a new password, prints the connection string, and ends its sessions")
    .argument("<NAME>", "a role that report-user has made")
    .action(async (name: string) => (await import("../report/report-user.ts")).reportUser({ action: "rotate", name }));
  command
    .command("drop")
    .description("ends its sessions and removes it")
    .argument("<NAME>", "a role that report-user has made")
    .action(async (name: string) => (await import("../report/report-user.ts")).reportUser({ action: "drop", name }));
}
