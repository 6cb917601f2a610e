import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

export type LoopDelay = { maxMs: number; p99Ms: number };

export type MeasuredService = {
  url: string;
  databaseUrl: string;
  rssBytes(): number;
  /** The highest since resetPeak(). */
  peakBytes(): number;
  resetPeak(): void;
  /** Since it was asked last. */
  loopDelay(): Promise<LoopDelay>;
  stop(signal?: NodeJS.Signals): Promise<void>;
};

/** Pressrun as `npm start` runs it, with its embedded PostgreSQL, watched from within and from without. */
export async function startMeasured(dataDir: string, env: Record<string, string> = {}): Promise<MeasuredService> {
  const child = spawn(process.execPath, ["bin/pressrun.js", "serve"], {
    env: {
      ...process.env,
      ...env,
      PORT: "0",
      ALLOW_CIDRS: "127.0.0.1/32",
      DATA_DIR: dataDir,
      EMBEDDED_PG_PORT: "0",
      LOG_LEVEL: "error",
      NODE_OPTIONS: `--import=${new URL("loop-watch.ts", import.meta.url).href} ${process.env["NODE_OPTIONS"] ?? ""}`,
    },
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const { url, databaseUrl } = await whereItIs(child);
  const memory = (field: "VmRSS" | "VmHWM") => memoryOf(child.pid ?? 0, field);
  return {
    url,
    databaseUrl,
    rssBytes: () => memory("VmRSS"),
    peakBytes: () => memory("VmHWM"),
    // proc_pid_clear_refs(5): 5 sets the peak back to what is resident now.
    resetPeak: () => writeFileSync(`/proc/${child.pid}/clear_refs`, "5"),
    async loopDelay() {
      const answered = once(child, "message");
      child.send("loop");
      return (await answered)[0] as LoopDelay;
    },
    async stop(signal = "SIGTERM") {
      const exited = once(child, "exit");
      child.kill(signal);
      await exited;
    },
  };
}

async function whereItIs(child: ChildProcess): Promise<{ url: string; databaseUrl: string }> {
  if (!child.stdout) throw new Error("no output to read");
  let url = "";
  for await (const line of createInterface({ input: child.stdout })) {
    url ||= /listens on (\S+)/.exec(line)?.[1] ?? "";
    const [, databaseUrl] = /Database: psql "(.+)"/.exec(line) ?? [];
    if (databaseUrl) return { url, databaseUrl };
  }
  throw new Error("Pressrun did not start");
}

function memoryOf(pid: number, field: string): number {
  const [, kilobytes] = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1_024;
}
