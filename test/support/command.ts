import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { onCleanup } from "./cleanup.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export type Ended = { code: number | null; stdout: string; stderr: string };
export type Command = { process: ChildProcess; ended: Promise<Ended> };

/** Starts a command of Pressrun as a process of its own, as from a shell; origins on loopback are admitted. */
export function startCommand(words: readonly string[], env: Record<string, string> = {}, input = ""): Command {
  const child = spawn(process.execPath, ["bin/pressrun.js", ...words], {
    cwd: ROOT,
    env: { PATH: process.env["PATH"] ?? "", NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"], ALLOW_CIDRS: "127.0.0.1/32", ...env },
  });
  onCleanup(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  });
  child.stdin.end(input);
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]).then(([stdout, stderr, [code]]) => ({
    code: code as number | null,
    stdout,
    stderr,
  }));
  ended.catch(() => {}); // the caller may close the pipes
  return { process: child, ended };
}

export function runCommand(words: readonly string[], env?: Record<string, string>, input?: string): Promise<Ended> {
  return startCommand(words, env, input).ended;
}
