import { createWriteStream } from "node:fs";
import { access, constants, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { errorCode } from "../domain/error-code.ts";
import { Unusable } from "./unusable.ts";

/** `fileName`: null for the standard input. */
export type OpenedFile = { path: string; bytes: number; fileName: string | null };

/** Opens a file that can be read more than once: the standard input (`-`) is copied into `folder` first. */
export async function openFile(file: string, folder: string, signal: AbortSignal): Promise<OpenedFile> {
  const path = file === "-" ? join(folder, "stdin.csv") : file;
  if (file === "-") await pipeline(process.stdin, createWriteStream(path), { signal });
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new Unusable(`Expected a file, got ${found.isDirectory() ? "the directory" : "something else:"} ${file}.`);
    await access(path, constants.R_OK);
    return { path, bytes: found.size, fileName: file === "-" ? null : basename(file) };
  } catch (error) {
    const code = errorCode(error);
    if (code === "") throw error;
    throw new Unusable(code === "ENOENT" ? `There is no file ${file}.` : `The file ${file} cannot be read (${code}).`, { cause: error });
  }
}
