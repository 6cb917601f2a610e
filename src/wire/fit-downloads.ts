import { readFileSync } from "node:fs";
import type { Config } from "../config.ts";
import { downloadsWithin } from "../domain/load/open-files.ts";
import type { Log } from "../observe/log.ts";

/**
 * How many are downloaded at once: as many as were asked for, or as fit into the files that this process may have open. What does not fit
 * would be given back as soon as it is begun, after its host was asked in vain.
 */
export function fitDownloads(
  { downloads, encoders }: Pick<Config, "downloads" | "encoders">,
  filesMax: number,
  log: Pick<Log, "warn">,
): number {
  const fitting = Math.min(downloads, downloadsWithin(filesMax, encoders));
  if (fitting < downloads)
    log.warn({ downloads: fitting, filesMax }, "the limit of open files allows fewer downloads at once than DOWNLOADS");
  return fitting;
}

/** How many files this process may have open, after Node has raised that as far as the system lets it. Only Linux tells; else Infinity. */
export function readFilesMax(): number {
  try {
    const [, soft] = /^Max open files +(\d+) /m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return soft === undefined ? Infinity : Number(soft);
  } catch {
    return Infinity;
  }
}
