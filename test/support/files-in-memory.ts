import { accessSync, chmodSync, constants, existsSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const MEMORY = "/dev/shm";
/** The log of the run's cluster alone can reach 2 GB (max_wal_size); besides there are an installed package and the stages of an image. */
const ROOM_BYTES = 8 * 1024 ** 3;

/**
 * A folder in memory for the files of the run, or null where there is no such room. Each test file clones a database and removes it,
 * hundreds of small files, and ext4 looks long for inodes that were not just given up: test/queue/queue.test.ts took 12.9 s of CPU
 * there, and takes 9.1 in memory.
 */
export function makeFolderInMemory(): string | null {
  if (!existsSync(MEMORY)) return null;
  const { bavail, bsize } = statfsSync(MEMORY);
  if (Math.min(bavail * bsize, process.availableMemory()) < ROOM_BYTES) return null;
  const folder = mkdtempSync(join(MEMORY, "pressrun-test-"));
  // As /tmp is: some tests start processes of other users.
  chmodSync(folder, 0o1777);
  if (canExecuteIn(folder)) return folder;
  rmSync(folder, { recursive: true });
  return null;
}

/** In a container it may be mounted `noexec`, and tests run what they install. */
function canExecuteIn(folder: string): boolean {
  const program = join(folder, "program");
  writeFileSync(program, "", { mode: 0o755 });
  try {
    accessSync(program, constants.X_OK);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(program);
  }
}
