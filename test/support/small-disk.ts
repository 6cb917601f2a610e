import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { onCleanup } from "./cleanup.ts";
import { createTestFolder } from "./folder.ts";

export const canMount = process.platform === "linux" && process.getuid?.() === 0;

/** A test with a disk of this size ("48m") to itself; skipped where none can be mounted. */
export function testOnSmallDisk(name: string, size: string, run: (disk: string) => Promise<void>): void {
  test(name, { timeout: 90_000, skip: canMount ? false : "only root can mount a small disk" }, async (t) => {
    const disk = await createTestFolder();
    if (spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", disk]).status !== 0) {
      return t.skip("this system does not allow a mount");
    }
    onCleanup(() => spawnSync("umount", ["-l", disk]));
    await run(disk);
  });
}
