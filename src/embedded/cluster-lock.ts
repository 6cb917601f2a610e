import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { findPostmaster } from "./postmaster.ts";
import { serverEnvironment } from "./server-environment.ts";
import type { ServerUser } from "./server-user.ts";

/** Another living process has the DATA_DIR. */
export class DataDirInUse extends Error {
  constructor(dataDir: string) {
    super(
      `DATA_DIR ${dataDir} is in use by another Pressrun process, in this system, in another container or on another machine. Stop that one first, give this one another DATA_DIR, or let both use one PostgreSQL with DATABASE_URL.`,
    );
  }
}

/** How flock(1) ends where another has the lock: EX_TEMPFAIL of sysexits.h, with which PostgreSQL never ends. */
export const LOCK_TAKEN = 75;
/** What a killed server leaves behind ends, and the lock with it, 1.5 s later; a look each second lets one that starts meanwhile be found. */
const LOOK_S = 1;
export const LOCK_LOOKS = 5;

/**
 * How to start a program on a cluster that has no server, or null where it has one. The servers of two containers on one volume see neither
 * each other's processes nor each other's shared memory, by which PostgreSQL tells, and ruin the cluster. The kernel's lock on a file holds
 * for all who have the file; flock(1) takes it and becomes the program, which keeps it, as its children do, until the last of them has ended.
 * Only who has it removes the postmaster.pid of a dead server, whose number another process may have by now. Where flock cannot do that
 * (busybox's, macOS, Windows, a file system without locks) the program runs without.
 */
export async function lockCluster(clusterDir: string, user: ServerUser): Promise<ServerUser["wrap"] | null> {
  const pidFile = join(clusterDir, "postmaster.pid");
  const wrap = (waiting: string[]) => (command: string, args: string[]) =>
    user.wrap("flock", [
      ...waiting,
      `--conflict-exit-code=${LOCK_TAKEN}`,
      "--no-fork",
      join(clusterDir, "pressrun.lock"),
      command,
      ...args,
    ]);
  const code = process.platform === "linux" ? await run(wrap([`--timeout=${LOOK_S}`])("rm", ["-f", pidFile])) : null;
  if (code === 0) return wrap(["--nonblock"]);
  if (code === LOCK_TAKEN) return null;
  // Looked at again: another server may have begun meanwhile.
  if (findPostmaster(clusterDir) === null) rmSync(pidFile, { force: true });
  return user.wrap;
}

export function inUse(clusterDir: string): DataDirInUse {
  return new DataDirInUse(dirname(clusterDir));
}

/** The program's exit code; null where there is no such program. */
function run({ command, args }: ReturnType<ServerUser["wrap"]>): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: serverEnvironment(), stdio: "ignore", cwd: "/" });
    child.once("error", () => resolve(null));
    child.once("exit", resolve);
  });
}
