import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { onCleanup } from "../support/cleanup.ts";
import { createTestFolder } from "../support/folder.ts";

const SCRIPT = `
  import { open, rm } from "node:fs/promises";
  import { endAtOnce, endProcess } from ${JSON.stringify(import.meta.resolve("../../src/cli/end-process.ts"))};
  import { runInThread } from ${JSON.stringify(import.meta.resolve("../../src/intake/run-in-thread.ts"))};
  const [how, asked, path] = process.argv.slice(1);
  if (asked === "file") void open(path);
  else if (asked === "thread") void runInThread(new URL("data:text/javascript,import('node:fs/promises').then(({ open }) => open(" + JSON.stringify(path) + "))"), {});
  else await rm("no-file", { force: true }).then(() => new Promise(setImmediate));
  process.once("exit", () => console.log("its exit was heard"));
  if (how === "at once") void endAtOnce(3);
  else void endProcess(3);`;

const end = async (how: "at once" | "in the end", asked: "nothing" | "file" | "thread", path = "") => {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", SCRIPT, how, asked, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onCleanup(async () => void child.kill("SIGKILL"));
  const [[code, signal], said] = await Promise.all([once(child, "exit"), text(child.stdout)]);
  assert.equal(said, "its exit was heard\n");
  return (code ?? signal) as number | string;
};

test("a process ends with its code where nobody waits for the disk", async () => {
  assert.deepEqual(await Promise.all([end("at once", "nothing"), end("in the end", "nothing")]), [3, 3]);
});

test(
  "a process ends where the disk never answers, itself or a thread of its own",
  { skip: process.platform === "win32", timeout: 30_000 },
  async () => {
    const path = join(await createTestFolder(), "pipe");
    assert.equal(spawnSync("mkfifo", [path]).status, 0);
    // To be opened it waits for somebody who writes.
    const ends = [
      end("at once", "file", path),
      end("in the end", "file", path),
      end("at once", "thread", path),
      end("in the end", "thread", path),
    ];
    assert.deepEqual(new Set(await Promise.all(ends)), new Set(["SIGKILL"]));
  },
);
