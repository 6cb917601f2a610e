import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand } from "../support/command.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestFolder } from "../support/folder.ts";
import { canMount } from "../support/small-disk.ts";

for (const command of ["serve", "migrate"])
  test(`\`${command}\` says which DATA_DIR it cannot have`, { timeout: 30_000 }, async () => {
    const file = join(await createTestFolder(), "file");
    await writeFile(file, "");
    const cases = [
      [`${file}/data`, "EEXIST"],
      // Making a folder here fails as if its parent were missing.
      ...(existsSync("/proc/self") ? [["/proc/pressrun/data", "ENOENT"] as const] : []),
    ] as const;
    for (const [dataDir, why] of cases) {
      const { code, stderr } = await runCommand([command], { DATA_DIR: dataDir });
      assert.deepEqual([code, stderr], [1, `DATA_DIR: Expected a folder that can be written to, got ${dataDir} (${why}).\n`]);
    }
  });

test("a DATA_DIR that is there and cannot be written is told in the same words", { timeout: 30_000 }, async (t) => {
  if (!canMount) return t.skip("only root can mount a read-only disk");
  const dataDir = await createTestFolder();
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", dataDir]).status !== 0) return t.skip("this system does not allow a mount");
  onCleanup(() => spawnSync("umount", ["-l", dataDir]));
  const { code, stderr } = await runCommand(["serve"], { DATA_DIR: dataDir });
  assert.deepEqual([code, stderr], [1, `DATA_DIR: Expected a folder that can be written to, got ${dataDir} (EROFS).\n`]);
});
