import { readdirSync, readFileSync, readlinkSync } from "node:fs";

type Listed = { pid: number; parent: number; command: string };

/** Every process that lives now, as /proc lists them. */
function listProcesses(): Listed[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        if (state === "Z") return [];
        return [
          { pid: Number(name), parent: Number(parent), command: readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ") },
        ];
      } catch {
        return [];
      }
    });
}

export function encodersOf(pid: number): number[] {
  return listProcesses()
    .filter(({ parent, command }) => parent === pid && command.includes("encoder"))
    .map((found) => found.pid);
}

/** Processes whose command line holds this text, such as a folder. */
export function processesNaming(text: string): Listed[] {
  return listProcesses().filter(({ command, pid }) => pid !== process.pid && command.includes(text));
}

/** A zombie, which its parent has not waited for yet, counts as dead. */
export function isAlive(pid: number): boolean {
  return listProcesses().some((found) => found.pid === pid);
}

const TICK_MS = 10;

/** CPU that a process has used until now, its threads included. */
export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Paths below this folder that a process has open, one for each descriptor. */
export function filesOpenIn(pid: number, folder: string): string[] {
  return readdirSync(`/proc/${pid}/fd`)
    .flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
      } catch {
        return [];
      }
    })
    .filter((path) => path.startsWith(folder));
}
