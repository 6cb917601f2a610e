import { existsSync, linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { errorCode } from "../domain/error-code.ts";
import { flushNow } from "./flush-files.ts";

/** What a link refuses and a copy does not: another file system, too many links, a file system without any. */
export const NOT_LINKABLE = new Set(["EXDEV", "EMLINK", "EPERM", "EACCES", "ENOTSUP", "ENOSYS"]);

/**
 * Gives a file a second name, in the place of whatever has that name: it takes no room of its own, and removing one leaves
 * the other. Where links are not possible it is copied, to a place `aside` on the target's file system, which is renamed
 * when it is whole and on the disk. False where there is no such file.
 */
export function linkOrCopy(source: string, { target, aside }: { target: string; aside: string }): boolean {
  try {
    const refusal = link(source, target);
    if (refusal === null || (refusal === "EEXIST" && isSameFile(source, target))) return true;
    // What a process left aside that was killed.
    rmSync(aside, { force: true });
    if (refusal !== "EEXIST" || link(source, aside) !== null) copy(source, aside);
    renameSync(aside, target);
    return true;
  } catch (error) {
    rmSync(aside, { force: true });
    if (errorCode(error) === "ENOENT" && !existsSync(source)) return false;
    throw error;
  }
}

/** FAT keeps every other second. */
const MTIME_STEP_MS = 2_000;

/** Whether `path` is this file under another name, or the copy that was made of it, which has no other name. */
export function isLinkOrCopy(source: string, path: string): boolean {
  if (isSameFile(source, path)) return true;
  const [ours, there] = [statSync(source), statSync(path, { throwIfNoEntry: false })];
  return there?.nlink === 1 && there.size === ours.size && Math.abs(there.mtimeMs - ours.mtimeMs) <= MTIME_STEP_MS;
}

/** Null where it is done, or why a copy may do what the link could not. */
function link(source: string, target: string): string | null {
  try {
    linkSync(source, target);
    return null;
  } catch (error) {
    const code = errorCode(error);
    if (code === "EEXIST" || NOT_LINKABLE.has(code)) return code;
    throw error;
  }
}

/** Of somebody else's file, which all are on a mounted share or stick, neither mode nor time can be set. A copy of Node's own sets the mode. */
function copy(source: string, aside: string): void {
  writeFileSync(aside, readFileSync(source));
  const { atime, mtime } = statSync(source);
  try {
    utimesSync(aside, atime, mtime);
  } catch {
    // It will be taken for another and copied again.
  }
  flushNow(aside);
}

function isSameFile(one: string, other: string): boolean {
  const [found, there] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }));
  return found !== undefined && found.ino === there?.ino && found.dev === there.dev;
}
