import { fork, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { EncoderOrder, EncoderReply } from "./encoder.ts";

/** The entry keeps this file's own extension: .ts in a checkout, .js in a package. */
const ENTRY = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "./encoder.ts" : "./encoder.js", import.meta.url));

const MB = 1024 * 1024;

/** V8's, of which a few are live: left alone it collects so late that a thousand images add 30 MB, which count as worn. */
const HEAP_MB = 64;
/** What V8 would take for new objects in a heap so small costs a small image 3 % more CPU. */
const YOUNG_MB = 4;

const ENVIRONMENT = {
  // One pool thread, which stays warm: four in turn cost a small image 8 % more.
  UV_THREADPOOL_SIZE: "1",
  // glibc keeps what an image has freed for the next one (mallopt(3)), instead of giving it back to the kernel and fetching it
  // anew, page by page: 6,100 faults and 24 ms of CPU in the kernel for a photo of 6 megapixels, or 2,700 and 16, became 50 and 5.
  MALLOC_TRIM_THRESHOLD_: String(64 * MB),
  MALLOC_MMAP_THRESHOLD_: String(32 * MB),
};

export type EncoderProcess = {
  readonly pid: number;
  send(order: EncoderOrder): void;
  kill(): void;
  /** Read where it comes: it must not wait for a pool whose threads all wait for a disk. */
  residentBytes(): number | null;
  /** For how long each of its threads was ready to run while others had the cores, in ms, by thread. Only Linux tells. */
  waits(): Promise<ReadonlyMap<string, number>>;
};

/**
 * Starts one encoder: in a session of its own, so that a terminal's Ctrl-C does not reach it before its work is
 * drained, and with none of our environment, since it needs no secret of ours.
 */
export function startEncoderProcess(
  options: { allowSvg: boolean },
  on: { reply(reply: EncoderReply): void; exit(why: string): void },
): EncoderProcess {
  const child = forkEncoder(options);
  if (child instanceof Error) {
    process.nextTick(() => on.exit(child.message));
    return NO_PROCESS;
  }
  let hasExited = false;
  const exit = (why: string) => {
    if (hasExited) return;
    hasExited = true;
    on.exit(why);
  };
  child.on("message", (message) => on.reply(message as EncoderReply));
  child.once("exit", (code, signal) => exit(signal ?? `exit code ${code}`));
  child.on("error", (error) => exit(error.message));

  return {
    pid: child.pid ?? -1,
    // Without a channel (no file descriptor was left for it) the process is about to be told as gone.
    // An order that cannot be written to it (ENOBUFS, ENOMEM) would be waited for until its deadline.
    send: (order) => void (child.connected && child.send(order, (error) => error && child.kill("SIGKILL"))),
    kill: () => child.kill("SIGKILL"),
    residentBytes() {
      // Linux only; elsewhere the limit is not watched. In kB; statm counts pages, of 4, 16 or 64 kB.
      const [, kB] = /^VmRSS:\s+(\d+) kB$/m.exec(readStatus(child.pid)) ?? [];
      return kB === undefined ? null : Number(kB) * 1024;
    },
    async waits() {
      const folder = `/proc/${child.pid}/task`;
      const threads = await readdir(folder).catch(() => []);
      // Time run, time waited, both in ns, and turns taken (the kernel's sched-stats.rst).
      const stats = await Promise.all(threads.map((thread) => readFile(`${folder}/${thread}/schedstat`, "utf8").catch(() => "")));
      return new Map(stats.map((stat, index) => [threads[index] ?? "", Number(stat.split(" ")[1] ?? 0) / 1e6]));
    },
  };
}

function readStatus(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}

/** An error that Node throws where the system makes no process, for want of memory (ENOMEM), say; of others, as EAGAIN, the child tells. */
function forkEncoder({ allowSvg }: { allowSvg: boolean }): ChildProcess | Error {
  try {
    return fork(ENTRY, allowSvg ? ["--allow-svg"] : [], {
      detached: true,
      env: { ...ENVIRONMENT, ...keptCode() },
      execArgv: ["--disable-warning=ExperimentalWarning", `--max-old-space-size=${HEAP_MB}`, `--min-semi-space-size=${YOUNG_MB}`],
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      serialization: "json",
    });
  } catch (error) {
    if (error instanceof Error && "syscall" in error) return error;
    throw error;
  }
}

/** Stands for one that could not be made until it is told as gone. */
const NO_PROCESS: EncoderProcess = {
  pid: -1,
  send() {},
  kill() {},
  residentBytes: () => null,
  waits: async () => new Map(),
};

/** Where this process keeps compiled code: the start of an encoder takes 0.12 s of CPU with it, and 0.26 in a checkout without. */
function keptCode(): { NODE_COMPILE_CACHE?: string } {
  const cache = getCompileCacheDir();
  return cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) };
}
