import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isUuid } from "../domain/ids.ts";
import { makeOnce } from "./make-once.ts";

const FILE_NAME = "folder-id";
/** How long a process that starts at the same time may take to write the file that it has just created, on a file system without links. */
const WRITING_MS = 2_000;
const LOOK_MS = 20;

/**
 * Names the folder itself, under whatever path a machine has it mounted. Made by whoever comes first, and `fresh` for who is alone with it,
 * so that it tells the folder from copies that were made of it.
 */
export async function nameFolder(dataDir: string, fresh: string, isAlone: boolean): Promise<string> {
  const found = await readOrMake(dataDir, fresh);
  if (!isAlone || found === fresh) return found;
  return rename(dataDir, fresh).then(
    () => fresh,
    // On a full disk, or of somebody else's file: it keeps the name that it has.
    () => found,
  );
}

/** In its place, byte for byte: that takes no room, and who opens the file sees it on NFS as well (close-to-open), unlike a new file of this name. */
async function rename(dataDir: string, id: string): Promise<void> {
  const file = await open(join(dataDir, FILE_NAME), "r+");
  try {
    await file.write(`${id}\n`, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readOrMake(dataDir: string, fresh: string): Promise<string> {
  const path = join(dataDir, FILE_NAME);
  // First, since on a full disk none can be made.
  const there = await readFile(path, "utf8").catch(() => "");
  if (isUuid(there.trim())) return there.trim();
  if (await makeOnce(path, `${fresh}\n`, 0o666)) return fresh;
  let text = "";
  for (let waitedMs = 0; waitedMs < WRITING_MS; waitedMs += LOOK_MS) {
    text = (await readFile(path, "utf8")).trim();
    if (isUuid(text)) return text;
    await delay(LOOK_MS);
  }
  throw new Error(
    `${path} should hold a UUID, got ${JSON.stringify(text.slice(0, 50))}. Remove the file, with every process stopped that works on this folder, to have a new one made.`,
  );
}
