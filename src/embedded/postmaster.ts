import { existsSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";

/** A running server as its own postmaster.pid describes it (PostgreSQL source: src/include/utils/pidfile.h). */
export type Postmaster = { pid: number; port: number; isReady: boolean };

/** The live postmaster of this cluster, or null; a file that a dead one left behind is removed. */
export async function findPostmaster(clusterDir: string): Promise<Postmaster | null> {
  const found = readPidFile(clusterDir);
  if (found === null) return null;
  if (isPostmasterOf(found.pid, clusterDir)) return found;
  await rm(join(clusterDir, "postmaster.pid"), { force: true });
  return null;
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

/** A process id can belong to somebody else by now: the one we mean has our folder on its command line. */
function isPostmasterOf(pid: number, clusterDir: string): boolean {
  if (!isAlive(pid)) return false;
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return command.length === 1 || command.includes(clusterDir);
  } catch {
    // No /proc on this system: a live process of that number is taken for it, as PostgreSQL itself does.
    return process.platform !== "linux";
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
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
