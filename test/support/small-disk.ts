import { spawnSync } from "node:child_process";
import { onCleanup } from "./cleanup.ts";
import { createTestFolder } from "./folder.ts";

export const canMount = process.platform === "linux" && process.getuid?.() === 0;

/** Null where this system does not allow it. */
export async function mountDisk(size: string): Promise<string | null> {
  const disk = await createTestFolder();
  if (spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", disk]).status !== 0) return null;
  onCleanup(() => spawnSync("umount", ["-l", disk]));
  return disk;
}
