import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isUuid } from "../domain/ids.ts";

const FILE_NAME = "folder-id";
/** How long a process that starts at the same time may take to write the file that it has just created. */
const WRITING_MS = 2_000;
const LOOK_MS = 20;

/** Names the folder itself, under whatever path a machine has it mounted: made once, by whoever comes first. */
export async function readOrMakeFolderId(dataDir: string, fresh: string): Promise<string> {
  const path = join(dataDir, FILE_NAME);
  try {
    await writeFile(path, `${fresh}\n`, { flag: "wx" });
    return fresh;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
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
