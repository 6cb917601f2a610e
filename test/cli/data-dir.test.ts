import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand } from "../support/command.ts";
import { createTestFolder } from "../support/folder.ts";

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
