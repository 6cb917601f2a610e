import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cp, mkdir, readdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { createTestFolder } from "../support/folder.ts";
import { processesNaming } from "../support/processes.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** As an installed package it is compiled: Node strips no types below node_modules, and children have other entries. */
test("the demo runs from a package as it would be published, and leaves nothing running", { timeout: 120_000 }, async () => {
  const folder = await createTestFolder();
  const modules = join(folder, "node_modules");
  const installed = join(modules, "pressrun");
  await mkdir(installed, { recursive: true });
  for (const name of await readdir(join(ROOT, "node_modules"))) await symlink(join(ROOT, "node_modules", name), join(modules, name));
  const { files } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { files: string[] };
  for (const name of ["package.json", ...files.filter((file) => file !== "dist")]) await cp(join(ROOT, name), join(installed, name), { recursive: true });
  const built = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--outDir", join(installed, "dist")], { cwd: ROOT, encoding: "utf8" });
  assert.equal(built.status, 0, built.stdout);

  const demo = spawnSync(process.execPath, [join(installed, "bin", "pressrun.js"), "demo"], { cwd: folder, encoding: "utf8", timeout: 60_000, env: { PATH: process.env["PATH"] ?? "" } });
  assert.equal(demo.status, 0, demo.stdout + demo.stderr);
  assert.match(demo.stdout, /27\/27 images, 2 failed/);
  assert.match(demo.stdout, /batch\.completed, signature verified/);
  assert.match(demo.stdout, /25 done, 2 failed, [\d.]+ images per second/);
  assert.match(demo.stdout, /gone\.jpg: not_found/);
  assert.match(demo.stdout, /login\.jpg: html_page/);
  assert.deepEqual(processesNaming(folder), []);
});
