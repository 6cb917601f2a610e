import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const TICK_MS = 10;

export type Process = {
  pid: number;
  parent: number;
  /** CPU that it has used until now, its threads included. */
  ownMs: number;
  /** Of its children that have ended, once it has waited for them. */
  endedMs: number;
  command: string;
};

/** Every process that lives now, as /proc lists them. */
export function listProcesses(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        if (state === "Z") return [];
        const ms = (from: number) => TICK_MS * (Number(fields[from]) + Number(fields[from + 1]));
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
        return [{ pid: Number(name), parent: Number(fields[0]), ownMs: ms(10), endedMs: ms(12), command }];
      } catch {
        return [];
      }
    });
}

export function isEncoderOf(pid: number, { parent, command }: Process): boolean {
  return parent === pid && command.includes("encoder");
}

export function encodersOf(pid: number): number[] {
  return listProcesses()
    .filter((one) => isEncoderOf(pid, one))
    .map((found) => found.pid);
}

/** Processes whose command line holds this text, such as a folder. */
export function processesNaming(text: string): Process[] {
  return listProcesses().filter(({ command, pid }) => pid !== process.pid && command.includes(text));
}

/** A zombie, which its parent has not waited for yet, counts as dead. */
export function isAlive(pid: number): boolean {
  return listProcesses().some((found) => found.pid === pid);
}

export function cpuMsOf(pid: number): number {
  const found = listProcesses().find((one) => one.pid === pid);
  if (!found) throw new Error(`process ${pid} is gone`);
  return found.ownMs;
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
