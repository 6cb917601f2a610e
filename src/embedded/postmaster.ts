import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { errorCode } from "../domain/error-code.ts";

/** A running server as its own postmaster.pid describes it (PostgreSQL source: src/include/utils/pidfile.h). */
export type Postmaster = { pid: number; port: number; isReady: boolean };

/**
 * The live postmaster of this cluster that we can see, or null; the file of a dead one stays, since it may live in another container.
 * Throws where it cannot be told whether a live process is the postmaster: PostgreSQL shuts itself down once its file is gone, and a
 * second server would ruin the cluster.
 */
export function findPostmaster(clusterDir: string): Postmaster | null {
  const found = readPidFile(clusterDir);
  if (found === null) return null;
  const path = join(clusterDir, "postmaster.pid");
  const isOurs = isAlive(found.pid) ? isPostmasterOf(found.pid, clusterDir) : false;
  if (isOurs === null)
    throw new Error(
      `Expected to see whether process ${found.pid} is the PostgreSQL of ${clusterDir}, as ${path} says, got no access to it. Stop that process if it is, remove the file if it is not, or run this as the user who started it.`,
    );
  return isOurs ? found : null;
}

function readPidFile(clusterDir: string): Postmaster | null {
  const path = join(clusterDir, "postmaster.pid");
  if (!existsSync(path)) return null;
  try {
    const lines = readFileSync(path, "utf8").split("\n");
    const pid = Number(lines[0]);
    return Number.isInteger(pid) && pid > 0 ? { pid, port: Number(lines[3]), isReady: lines[7]?.trim() === "ready" } : null;
  } catch {
    return null;
  }
}

/**
 * Whether a process is the postmaster: its id can have been given to another one since. A postmaster's working directory is the
 * cluster's folder, into which PostgreSQL changes before it writes its file, whatever path named it. Null: it cannot be told.
 */
function isPostmasterOf(pid: number, clusterDir: string): boolean | null {
  try {
    const [its, ours] = [statSync(`/proc/${pid}/cwd`), statSync(clusterDir)];
    return its.ino === ours.ino && its.dev === ours.dev;
  } catch {
    return isPostmasterByCommand(pid, clusterDir);
  }
}

/** For a process of another user, whose working directory may be hidden from us (even from root in a container), unlike its command line. */
function isPostmasterByCommand(pid: number, clusterDir: string): boolean | null {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    // An empty command line: it is about to begin or to end.
    if (command.length === 1) return true;
    if (!/^postgres(\.exe)?$/.test(basename(command[0] ?? ""))) return false;
    const folder = command[command.indexOf("-D") + 1] ?? "";
    return realpathSync(folder) === realpathSync(clusterDir) || null;
  } catch {
    // No /proc on this system: a live process of that number is taken for it, as PostgreSQL itself does.
    if (process.platform !== "linux") return true;
    return isAlive(pid) ? null : false;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

function isZombie(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).startsWith("Z");
  } catch {
    return false;
  }
}
