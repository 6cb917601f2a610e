import { randomUUID } from "node:crypto";
import { linkSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { errorCode } from "../domain/error-code.ts";
import { flushFiles, flushNow } from "./flush-files.ts";
import { NOT_LINKABLE } from "./link-or-copy.ts";

/**
 * Makes a small file, and returns false where there is one already. It is written aside, and has its name only when it is whole and on
 * the disk: of one that is written in its place a full disk, or a kill, leaves an empty one, which every later start would find.
 */
export async function makeOnce(path: string, text: string, mode: number): Promise<boolean> {
  const aside = `${path}.${randomUUID()}`;
  try {
    writeFileSync(aside, text, { mode, flag: "wx" });
    flushNow(aside);
    place(aside, { path, text, mode });
    const [flushed] = await flushFiles([{ folder: dirname(path), path, isLinked: true }]);
    if (flushed?.ok === false) throw new Error(`${path}: ${flushed.failure.detail}`);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** On a file system without links it is written in its place after all: there was room for it just now. */
function place(aside: string, { path, text, mode }: { path: string; text: string; mode: number }): void {
  try {
    linkSync(aside, path);
  } catch (error) {
    if (!NOT_LINKABLE.has(errorCode(error))) throw error;
    rmSync(aside);
    writeFileSync(path, text, { mode, flag: "wx", flush: true });
  }
}
