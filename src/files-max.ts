import { readFileSync } from "node:fs";

/** How many files this process may have open, after Node has raised that as far as the system lets it. Only Linux tells; else Infinity. */
export function readFilesMax(): number {
  try {
    const [, soft] = /^Max open files +(\d+) /m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return soft === undefined ? Infinity : Number(soft);
  } catch {
    return Infinity;
  }
}
