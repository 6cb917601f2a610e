import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onCleanup } from "./cleanup.ts";
import type { BatchStatusView } from "../../src/contract/status.ts";
import type { Accepted } from "../../src/contract/upload.ts";
import { eventually } from "./eventually.ts";
import { watchAnswers } from "./watch-answers.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export type Service = {
  url: string;
  process: ChildProcess;
  pid: number;
  /** All that it printed. */
  output: string[];
  kill(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  upload(csv: string, options?: Record<string, string>): Promise<Accepted>;
  status(requestId: string, query?: string): Promise<BatchStatusView>;
  finished(requestId: string, withinMs?: number): Promise<BatchStatusView>;
};

/** Starts the service as a process of its own, and waits until it says where it listens. */
export async function startService(
  env: Record<string, string>,
  options: { detached?: boolean; command?: readonly [string, ...string[]] } = {},
): Promise<Service> {
  const [program, ...words] = options.command ?? [process.execPath, "bin/pressrun.js", "serve"];
  const child = spawn(program, words, {
    cwd: ROOT,
    detached: options.detached ?? false,
    env: {
      PATH: process.env["PATH"] ?? "",
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
      HOST: "127.0.0.1",
      PORT: "0",
      ALLOW_CIDRS: "127.0.0.1/32",
      LOG_LEVEL: "warn",
      EMBEDDED_PG_PORT: "0",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const output: string[] = [];
  const ready = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      output.push(line);
      const [, url] = /listens on (\S+)/.exec(line) ?? [];
      if (url) ready.resolve(url);
      if (line.startsWith("Pressrun works")) ready.resolve("");
    });
  }
  void exited.then(([code]) => ready.reject(new Error(`the service ended with ${code}:\n${output.join("\n")}`)));
  onCleanup(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  });
  const url = await ready.promise;
  if (url !== "") {
    const watch = watchAnswers(Number(new URL(url).port));
    void exited.then(() => watch.end());
  }

  const status = async (requestId: string, query = ""): Promise<BatchStatusView> => {
    const response = await fetch(`${url}/getProcessingStatus/${requestId}${query}`);
    if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`);
    return (await response.json()) as BatchStatusView;
  };
  return {
    url,
    process: child,
    pid: child.pid ?? -1,
    output,
    status,
    async kill(signal) {
      child.kill(signal);
      const [code, by] = await exited;
      return { code, signal: by };
    },
    async upload(csv, fields = {}) {
      const form = new FormData();
      form.set("file", new Blob([csv]), "products.csv");
      for (const [name, value] of Object.entries(fields)) form.set(name, value);
      const response = await fetch(`${url}/uploadAndProcessDocument`, { method: "POST", body: form });
      if (response.status !== 202) throw new Error(`upload ${response.status}: ${await response.text()}`);
      return (await response.json()) as Accepted;
    },
    finished: (requestId, withinMs) =>
      eventually(
        `the end of ${requestId}`,
        async () => {
          // With one product: a page of them all would be made at each look.
          const found = await status(requestId, "?limit=1").catch(() => null);
          return found?.finishedAt ? status(requestId).catch(() => null) : null;
        },
        withinMs,
      ),
  };
}
