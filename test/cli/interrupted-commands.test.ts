import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { placeCluster } from "../support/cluster.ts";
import { startCommand } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { processesNaming } from "../support/processes.ts";

/** A command that has begun to start the PostgreSQL of its folder. */
async function startOnEmbedded(words: readonly string[]) {
  const dataDir = await createTestFolder();
  const clusterIn = words[0] === "demo" ? join(dataDir, "demo") : dataDir;
  await placeCluster(clusterIn);
  const command = startCommand(words, { DATA_DIR: dataDir, EMBEDDED_PG_PORT: "0" });
  await eventually("PostgreSQL to begin", async () => existsSync(join(clusterIn, "postgres", "postmaster.pid")));
  return { ...command, dataDir };
}

describe("a signal leaves no PostgreSQL of a command behind:", () => {
  for (const [signal, code, words] of [
    ["SIGTERM", 143, ["report", "savings"]],
    ["SIGHUP", 129, ["report-user", "drop", "nobody"]],
    ["SIGINT", 130, ["migrate"]],
  ] as const)
    test(`${signal} to ${words[0]}`, async () => {
      const { process: child, ended, dataDir } = await startOnEmbedded(words);
      child.kill(signal);
      assert.equal((await ended).code, code);
      assert.deepEqual(processesNaming(dataDir), []);
    });

  for (const words of [["report", "savings"], ["demo"]] as const)
    test(`Ctrl-C to ${words[0]} until it ends, which is at once`, async () => {
      const { process: child, ended, dataDir } = await startOnEmbedded(words);
      await eventually("its end", async () => {
        child.kill("SIGINT");
        return child.exitCode !== null || child.signalCode !== null;
      });
      assert.equal((await ended).code, 130);
      await eventually("PostgreSQL to stop by itself", async () => processesNaming(dataDir).length === 0);
    });

  test("a terminal that goes, of which shell and kernel each tell", async () => {
    const { process: child, ended, dataDir } = await startOnEmbedded(["report", "savings"]);
    await eventually("its end", async () => {
      child.kill("SIGHUP");
      return child.exitCode !== null || child.signalCode !== null;
    });
    assert.equal((await ended).code, 129);
    assert.deepEqual(processesNaming(dataDir), [], "it waited for that");
  });
});
