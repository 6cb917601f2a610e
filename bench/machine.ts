import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";

const FOLDERS = 16;
const FILES_EACH = 50;
/** A new file takes some 0.03 ms. */
const SLOW_MS = 0.1;

/** Says on what a benchmark runs, and warns where the disk is not fit for one. */
export function printMachine(...more: string[]): void {
  const model = cpus()[0]?.model ?? "unknown";
  console.log([`${cpus().length} x ${model}`, `Node ${process.version}`, new Date().toISOString().slice(0, 10), ...more].join(", "));
  const ms = newFileMs();
  if (ms > SLOW_MS) console.log(`WARNING: a new file takes ${ms.toFixed(2)} ms of CPU here; see "Measuring well" in bench/README.md`);
}

/** In several folders, since a file system spreads them. */
function newFileMs(): number {
  const root = mkdtempSync(join(tmpdir(), "pressrun-bench-files-"));
  try {
    const folders = Array.from({ length: FOLDERS }, (_, index) => join(root, String(index)));
    for (const folder of folders) mkdirSync(folder);
    const before = process.cpuUsage();
    for (const folder of folders) for (let file = 0; file < FILES_EACH; file += 1) closeSync(openSync(join(folder, String(file)), "w"));
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000 / (FOLDERS * FILES_EACH);
  } finally {
    rmSync(root, { recursive: true });
  }
}
