import { constants, existsSync, mkdirSync } from "node:fs";
import { access, mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** Makes DATA_DIR, or throws what an operator can mend. */
export async function makeDataDir(dataDir: string): Promise<void> {
  const make = async () => {
    await makeFolder(dataDir);
    await access(dataDir, constants.W_OK | constants.X_OK);
  };
  await make().catch((error: NodeJS.ErrnoException) => {
    throw new Error(`DATA_DIR: Expected a folder that can be written to, got ${dataDir} (${error.code ?? error.message}).`, {
      cause: error,
    });
  });
}

/**
 * Makes a folder and those above it, as `mkdir -p` does, or throws what the system says. Node's own `recursive` never ends where a
 * folder exists and the system says of what is made in it that there is no such thing, as in /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (await isFolder(path)) return;
    if (await isFolder(dirname(path))) throw error;
    await makeFolder(dirname(path));
    await makeFolder(path);
  }
}

/** The same at once. Node's own `recursive` says ENOENT as well where it is a quota that is used up. */
export function makeFolderNow(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (existsSync(path)) return;
    if (existsSync(dirname(path))) throw error;
    makeFolderNow(dirname(path));
    makeFolderNow(path);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
