import { mkdir, readdir, readFile, readlink, rm, stat, unlink, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, sep } from "node:path";
import { diskFullCode } from "../domain/disk-full.ts";
import { errorCode } from "../domain/error-code.ts";
import { makeFolder } from "./make-folder.ts";
import { modifiedMs } from "./modified-ms.ts";
import { unlinkIfThere } from "./unlink-if-there.ts";

/** Temporary files of one process, on the file system of their final place so that a rename can move them. */
type TempFolder = {
  folder: string;
  path(extension?: string): string;
  /** Shows other machines that this process lives; returns the time by the file system (see touchFolder). */
  touch(): Promise<number>;
  /** Never rejects: what cannot be removed is told of, and each sweep tries again. */
  discard(path: string): Promise<void>;
  sweep(): Promise<void>;
  remove(): Promise<void>;
};

/** Another machine's process cannot be asked whether it lives; a folder it has not touched for a day is left over. */
const FOREIGN_STALE_MS = 24 * 3600 * 1_000;
/**
 * Of an earlier boot of this machine, of another one of the same name, or of another container on it, such as this one before it was
 * started again: a living process touches it each minute.
 */
const RELATED_STALE_MS = 3600 * 1_000;
/** A process that has not touched its own folder for so long was frozen, as all others of its machine may have been: none of theirs is old yet. */
const FROZEN_MS = 300 * 1_000;

/** So many paths that could not be removed are remembered, some 2 MB; the rest go with the folder, or by the sweep of another process. */
const STUCK_MAX = 10_000;

export async function createTempFolder(
  root: string,
  { onNotRemoved = () => {} }: { onNotRemoved?(error: unknown): void },
): Promise<TempFolder> {
  const machine = await readMachine();
  const own = `${machine.name}.${machine.boot}.${process.pid}.${await startTicks(process.pid)}`;
  const folder = join(root, own);
  // On a full disk by a sweep, once there is room: what is there already can be had without it.
  await makeFolder(folder).catch((error: unknown) => {
    if (diskFullCode(error) === null) throw error;
  });
  let count = 0;
  const stuck = new Set<string>();
  const touch = () => touchFolder(folder);
  return {
    folder,
    touch,
    path(extension = "tmp") {
      count += 1;
      return `${folder}${sep}${count}.${extension}`;
    },
    discard: (path) =>
      unlinkIfThere(path).catch((error: unknown) => {
        if (stuck.size < STUCK_MAX) stuck.add(path);
        onNotRemoved(error);
      }),
    async sweep() {
      const touchedMs = await modifiedMs(folder);
      const nowMs = await touch();
      // Said when it was discarded. A path is given out once, so that no other file has it by now.
      for (const path of stuck)
        await unlinkIfThere(path).then(
          () => stuck.delete(path),
          () => {},
        );
      if (nowMs - touchedMs > FROZEN_MS) return;
      const others = (await readdir(root)).filter((name) => name !== own);
      const swept = await Promise.allSettled(
        others.map(async (name) => {
          if (await isLeftOver(root, name, { machine, nowMs })) await rm(join(root, name), { recursive: true, force: true });
        }),
      );
      // Only now: one that cannot be removed does not keep the others.
      const failed = swept.find((one) => one.status === "rejected");
      if (failed) throw failed.reason;
    },
    async remove() {
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * The time by the clock that all machines share which have their files here: the file system's own, as it notes it with a new file. By a
 * machine's clock that is a day ahead, every other's folder would be left over. Where no file can be made, as where the disk is full,
 * nothing is known to be old.
 */
async function touchFolder(folder: string): Promise<number> {
  const path = join(folder, "now");
  try {
    await writeFile(path, "");
    const { mtime } = await stat(path);
    // Some file systems on object stores keep no time of a folder's own accord.
    await utimes(folder, mtime, mtime);
    await unlink(path);
    return mtime.getTime();
  } catch {
    // Made anew where somebody removed it. Not what it lies in: where a mount is gone, that would make it look as if it were there.
    await utimes(folder, new Date(), new Date()).catch(() => mkdir(folder).catch(() => {}));
    return -Infinity;
  }
}

type Machine = { name: string; boot: string };

/**
 * Containers can share a host name and still not see each other's processes: the PID namespace is part of the name. Two machines can
 * have the same of both, so that only the boot tells whether a process of this name can be asked.
 */
async function readMachine(): Promise<Machine> {
  const namespace = await readlink("/proc/self/ns/pid").catch(() => "");
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  return { name: `${encodeURIComponent(hostname())}-${namespace.replaceAll(/\D/g, "")}`, boot: boot.trim() };
}

/** Not where it cannot be told: a living process's files must not go because we are out of descriptors, or the disk gives an error. */
async function isLeftOver(root: string, name: string, { machine, nowMs }: { machine: Machine; nowMs: number }): Promise<boolean> {
  const { pid, ticks, ...its } = splitName(name);
  if (its.name === machine.name && its.boot === machine.boot) {
    const found = await startTicks(Number(pid));
    return found !== "alive" && found !== ticks;
  }
  const isRelated = its.name === machine.name || (its.boot !== "" && its.boot === machine.boot);
  return nowMs - (await modifiedMs(join(root, name))) > (isRelated ? RELATED_STALE_MS : FOREIGN_STALE_MS);
}

/** A host name can have dots. */
function splitName(name: string): Machine & { pid: string; ticks: string } {
  const parts = name.split(".");
  const [boot = "", pid = "", ticks = ""] = parts.slice(-3);
  return { name: parts.slice(0, -3).join("."), boot, pid, ticks };
}

/**
 * When a process began, in clock ticks since boot: with it, a process id that was used again is not mistaken for
 * the one that left the folder. Where /proc cannot be read, only whether the process lives.
 */
async function startTicks(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
  if (text !== null) return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "0";
  try {
    process.kill(pid, 0);
    return "alive";
  } catch (error) {
    // Another user's process lives as well (EPERM).
    return errorCode(error) === "ESRCH" ? "gone" : "alive";
  }
}
