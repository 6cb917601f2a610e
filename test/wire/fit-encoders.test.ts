import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmod, copyFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { checkEncoderMemory, countThreads, fitEncoders } from "../../src/wire/fit-encoders.ts";
import { createTestFolder } from "../support/folder.ts";

test("no more encoders run than the limit of threads has room for beside the rest, and the log says where that is short", () => {
  const said: object[] = [];
  const log = { warn: (event: object) => void said.push(event) };
  const fit = (threadsMax: number, databaseUrl: string | null = null) =>
    fitEncoders({ encoders: 2, databaseUrl }, { threadsMax, threads: 15 }, log);
  assert.deepEqual([fit(Infinity), fit(62), fit(37, "postgres://db/x")], [2, 2, 2]);
  assert.deepEqual(said, []);
  assert.deepEqual([fit(61), fit(51), fit(36, "postgres://db/x")], [1, 1, 1]);
  assert.deepEqual(said, [
    { encoders: 1, threadsMax: 61 },
    { encoders: 1, threadsMax: 51 },
    { encoders: 1, threadsMax: 36 },
  ]);
  assert.throws(() => fit(50), /Expected a limit of 51 processes .+, its embedded database and one encoder, got 50\. .+DATABASE_URL/);
  assert.throws(() => fit(25, "postgres://db/x"), /Expected a limit of 26 processes .+ got 25\. .+pids-limit`\)\.$/);
  assert.ok(countThreads() > 1);
});

test("the log says where one encoder may take more memory than there is", () => {
  const said: object[] = [];
  const check = (mb: number, fittingMb: number) =>
    checkEncoderMemory({ encoderMemoryBytes: mb * 1024 * 1024 }, fittingMb, { warn: (event) => void said.push(event) });
  check(512, 512);
  assert.deepEqual(said, []);
  check(512, 262);
  assert.deepEqual(said, [{ fittingMb: 262 }]);
});

const isRoot = process.geteuid?.() === 0;
const canLimit = [["prlimit"], ...(isRoot ? [["setpriv"]] : [])].every(([tool = ""]) => spawnSync(tool, ["--version"]).status === 0);

test("a process that may have few threads takes fewer for its pool, unless it is told how many", { skip: !canLimit }, async () => {
  // Root has no such limit, and may alone read where this checkout lies.
  const folder = await createTestFolder();
  await chmod(folder, 0o755);
  for (const name of ["process-settings.js", "threads-max.js"])
    await copyFile(new URL(`../../bin/${name}`, import.meta.url), join(folder, name));
  const asNobody = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
  const tell = `await import(${JSON.stringify(join(folder, "process-settings.js"))}); console.log(process.env.UV_THREADPOOL_SIZE)`;
  const poolOf = (limit: number, env: Record<string, string> = {}) => {
    const args = [`--nproc=${limit}`, ...asNobody, process.execPath, "--input-type=module", "-e", tell];
    return execFileSync("prlimit", args, { env, cwd: "/", encoding: "utf8" }).trim();
  };
  assert.deepEqual([poolOf(200), poolOf(200, { UV_THREADPOOL_SIZE: "20" })], ["25", "20"]);
});
