import { mkdir, readdir, readFile, readlink, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { join, sep } from "node:path";

/** Temporary files of one process, on the file system of their final place so that a rename can move them. */
export type TempFolder = { folder: string; path(extension?: string): string; sweep(): Promise<string[]>; remove(): Promise<void> };

/** Another machine's process cannot be asked whether it lives; a folder it has not touched for a day is left over. */
const FOREIGN_STALE_MS = 24 * 3600 * 1_000;
/** How often a living process touches its folder, however idle it is. */
const TOUCH_MS = 3600 * 1_000;

export async function createTempFolder(root: string): Promise<TempFolder> {
  const own = `${await machineName()}.${process.pid}.${await startTicks(process.pid)}`;
  const folder = join(root, own);
  await mkdir(folder, { recursive: true });
  const touching = setInterval(() => {
    const now = new Date();
    utimes(folder, now, now).catch(() => mkdir(folder, { recursive: true }).catch(() => {}));
  }, TOUCH_MS).unref();
  let count = 0;
  return {
    folder,
    path(extension = "tmp") {
      count += 1;
      return `${folder}${sep}${count}.${extension}`;
    },
    async sweep() {
      const found = await readdir(root);
      const gone = [];
      for (const name of found) if (name !== own && (await isLeftOver(root, name))) gone.push(name);
      await Promise.all(gone.map((name) => rm(join(root, name), { recursive: true, force: true })));
      return gone;
    },
    async remove() {
      clearInterval(touching);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Containers can share a host name and still not see each other's processes: the PID namespace is part of the name. */
async function machineName(): Promise<string> {
  const namespace = await readlink("/proc/self/ns/pid").catch(() => "");
  return `${encodeURIComponent(hostname())}-${namespace.replaceAll(/\D/g, "")}`;
}

async function isLeftOver(root: string, name: string): Promise<boolean> {
  const [host, pid, ticks] = splitName(name);
  if (host !== (await machineName())) {
    const modifiedMs = await stat(join(root, name)).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
    return Date.now() - modifiedMs > FOREIGN_STALE_MS;
  }
  return (await startTicks(Number(pid))) !== ticks;
}

function splitName(name: string): [string, string, string] {
  const parts = name.split(".");
  return [parts.slice(0, -2).join("."), parts.at(-2) ?? "", parts.at(-1) ?? ""];
}

/**
 * When a process began, in clock ticks since boot: with it, a process id that was used again is not mistaken for
 * the one that left the folder. Where /proc is missing, only whether the process lives.
 */
async function startTicks(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
  if (text !== null) return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "0";
  try {
    process.kill(pid, 0);
    return "alive";
  } catch {
    return "gone";
  }
}
