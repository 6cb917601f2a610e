import { randomUUID } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { errorCode } from "../../domain/error-code.ts";
import { Unusable } from "../unusable.ts";

/** Which file and options a folder is for. The batch of the run has the record's id in its metadata. */
export type RunRecord = {
  version: 1;
  id: string;
  file: { name: string | null; bytes: number; sha256: string };
  /** Every option that the outputs depend on. */
  options: Record<string, unknown>;
  /** When everything was written into the folder; null before. */
  exportedAt: string | null;
};

export const STATE_FOLDER = ".pressrun";
const FILE_NAME = "run.json";

export function newRecord(file: RunRecord["file"], options: Record<string, unknown>): RunRecord {
  // Through JSON, so that it equals the record that is read back.
  return JSON.parse(JSON.stringify({ version: 1, id: randomUUID(), file, options, exportedAt: null })) as RunRecord;
}

export async function readRecord(stateDir: string): Promise<RunRecord | null> {
  const path = join(stateDir, FILE_NAME);
  try {
    const found = JSON.parse(await readFile(path, "utf8")) as Partial<RunRecord> | null;
    if (found?.version === 1 && typeof found.id === "string" && typeof found.file?.sha256 === "string") return found as RunRecord;
  } catch (error) {
    // Where a part of the path is a file, makeFolder() will say so.
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error))) return null;
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new Unusable(`${path} is not what pressrun process writes. Choose another --out, or remove ${stateDir} to begin anew.`);
}

/** Written aside and renamed, so that it is there as a whole or not at all. */
export async function writeRecord(stateDir: string, record: RunRecord): Promise<void> {
  const path = join(stateDir, FILE_NAME);
  await writeFile(`${path}.new`, `${JSON.stringify(record, null, 2)}\n`, { flush: true });
  await rename(`${path}.new`, path);
}

/** What tells two runs apart, in words; empty where they are the same. */
export function differences(known: RunRecord, wanted: RunRecord): string[] {
  const names = [...new Set([...Object.keys(known.options), ...Object.keys(wanted.options)])];
  const options = names.filter((name) => !isDeepStrictEqual(known.options[name], wanted.options[name]));
  return [
    ...(known.file.sha256 === wanted.file.sha256 ? [] : [`the file (${describeFile(known)} there, ${describeFile(wanted)} here)`]),
    ...options.map((name) => `${name} (${shown(known.options[name])} there, ${shown(wanted.options[name])} here)`),
  ];
}

function describeFile({ file: { name, bytes, sha256 } }: RunRecord): string {
  return `${name ?? "standard input"} of ${bytes.toLocaleString("en")} bytes, sha256 ${sha256.slice(0, 8)}…`;
}

function shown(value: unknown): string {
  return value === undefined || value === null ? "none" : typeof value === "string" ? value : JSON.stringify(value);
}
