import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { onCleanup } from "../support/cleanup.ts";
import { createTestFolder } from "../support/folder.ts";

const SCRIPT = `
  import { open, rm } from "node:fs/promises";
  import { endProcess } from ${JSON.stringify(import.meta.resolve("../../src/cli/end-process.ts"))};
  const [path] = process.argv.slice(1);
  void (path === undefined ? rm("no-file", { force: true }) : open(path));
  void endProcess(3);`;

const end = async (args: readonly string[]) => {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", SCRIPT, ...args], { stdio: "inherit" });
  onCleanup(async () => void child.kill("SIGKILL"));
  return (await once(child, "exit")) as [number | null, string | null];
};

test("a process ends with its code, once the disk has answered", async () => {
  assert.deepEqual(await end([]), [3, null]);
});

test("a process ends where the disk never answers", { skip: process.platform === "win32", timeout: 10_000 }, async () => {
  const path = join(await createTestFolder(), "pipe");
  assert.equal(spawnSync("mkfifo", [path]).status, 0);
  // To be opened it waits for somebody who writes.
  assert.deepEqual(await end([path]), [null, "SIGKILL"]);
});
