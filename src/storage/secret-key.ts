import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SECRET_KEY_LENGTH_MIN } from "../domain/secret/sealed.ts";
import { makeOnce } from "./make-once.ts";

export function secretKeyPath(dataDir: string): string {
  return join(dataDir, "secret-key");
}

/**
 * The key of a service that keeps its own database: made once, in DATA_DIR, readable by its owner only. Database and key
 * lie on one disk there, so that it protects dumps and copies of the database, not the disk.
 */
export async function readOrMakeSecretKey(dataDir: string, fresh: string): Promise<string> {
  const path = secretKeyPath(dataDir);
  if (await makeOnce(path, `${fresh}\n`, 0o600)) return fresh;
  return readSecretKey(path);
}

/** Null where none was made. */
export async function findSecretKey(dataDir: string): Promise<string | null> {
  const path = secretKeyPath(dataDir);
  return existsSync(path) ? readSecretKey(path) : null;
}

async function readSecretKey(path: string): Promise<string> {
  const key = (await readFile(path, "utf8")).trim();
  if (key.length < SECRET_KEY_LENGTH_MIN)
    throw new Error(
      `${path} should hold a key of ${SECRET_KEY_LENGTH_MIN} characters or more, got ${key.length}. Set SECRET_KEY, or remove the file to have a new one made.`,
    );
  return key;
}
