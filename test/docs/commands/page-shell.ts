import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { onCleanup } from "../../support/cleanup.ts";
import { eventually } from "../../support/eventually.ts";

export type Ran = { code: number; output: string };
export type PageShell = {
  /** Runs a block; the variables that it sets are there for the next one. */
  run(code: string, options: { mayFail: boolean }): Promise<Ran>;
  /** Starts a block that lasts; what it has printed so far. */
  start(code: string): Promise<() => Promise<string>>;
  /** Ends it with all that was started in it. */
  stop(): Promise<void>;
};

/** One bash for a page, as strict as a script: what fails in the middle of a block fails the block. */
export async function openPageShell(folder: string, scratch: string, env: Record<string, string>): Promise<PageShell> {
  const child = spawn("bash", ["--norc"], { cwd: folder, env, detached: true, stdio: ["pipe", "inherit", "inherit", "pipe"] });
  const stdin = child.stdin as Writable;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  /** False where it has ended, and all that it had started. */
  const kill = (signal: NodeJS.Signals | 0): boolean => {
    try {
      return process.kill(-(child.pid ?? Number.NaN), signal);
    } catch {
      return false;
    }
  };
  onCleanup(() => kill("SIGKILL"));
  const ends: ((code: number) => void)[] = [];
  // A block that fails ends the shell; its exit code comes from the trap.
  createInterface({ input: child.stdio[3] as Readable }).on("line", (line) => ends.shift()?.(Number(line)));
  stdin.on("error", () => {});
  stdin.write("set -euo pipefail\ntrap 'echo $? >&3' EXIT\n");

  let steps = 0;
  const write = async (code: string) => {
    const path = join(scratch, `step-${(steps += 1)}`);
    await writeFile(`${path}.sh`, code);
    await writeFile(`${path}.out`, "");
    return { output: `${path}.out`, source: `source '${path}.sh' < /dev/null > '${path}.out' 2>&1 3>&-` };
  };
  return {
    async run(code, { mayFail }) {
      const { output, source } = await write(code);
      if (!isRunning()) throw new Error("the shell of the page has ended: an earlier block failed");
      const ended = new Promise<number>((resolve) => ends.push(resolve));
      stdin.write(mayFail ? `set +e; ${source}; code=$?; set -e; echo $code >&3\n` : `${source}; echo 0 >&3\n`);
      return { code: await ended, output: await readFile(output, "utf8") };
    },
    async start(code) {
      const { output, source } = await write(code);
      stdin.write(`${source} &\n`);
      return () => readFile(output, "utf8");
    },
    async stop() {
      stdin.end();
      kill("SIGTERM");
      await exited;
      await eventually("the end of all that the page had started", async () => !kill(0));
    },
  };
}
