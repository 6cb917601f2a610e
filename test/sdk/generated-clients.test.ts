import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import sharp, { type Metadata } from "sharp";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DOCUMENT = join(ROOT, "openapi.json");
const TSCONFIG = {
  compilerOptions: {
    strict: true,
    noUncheckedIndexedAccess: true,
    module: "nodenext",
    moduleResolution: "nodenext",
    target: "es2024",
    lib: ["es2024", "dom", "dom.iterable"],
    types: ["node"],
    outDir: "out",
    rootDir: ".",
  },
  include: ["*.ts", "sdk"],
};

/** What two widely used generators make of openapi.json, in the hands of their users. */
describe("a client that was generated from openapi.json", () => {
  let folder: string;
  let service: Service;
  let csvPath: string;

  before(async () => {
    folder = await createTestFolder();
    await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
    await cp(new URL("programs", import.meta.url), folder, { recursive: true });
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG));
    await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    const bin = (name: string) => join(ROOT, "node_modules/.bin", name);
    const env = { ...process.env, CI: "true" };
    await Promise.all([
      run(bin("openapi-typescript"), [DOCUMENT, "-o", "pressrun.d.ts"], { cwd: folder, env }),
      run(bin("openapi-ts"), ["-i", DOCUMENT, "-o", "sdk", "-c", "@hey-api/client-fetch", "--no-log-file"], { cwd: folder, env }),
    ]);
    await run(bin("tsc"), ["-p", "."], { cwd: folder }).catch((error: { stdout: string }) =>
      assert.fail(`the generated code and its use are not type-safe:\n${error.stdout}`),
    );
    const origin = await startOrigin();
    service = await startService({ DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder() });
    csvPath = join(folder, "products.csv");
    await writeFile(csvPath, catalogueOf([[`${origin.url}/photo/1.jpg`, "nowhere"]]));
  });

  /** Runs the compiled program; what it printed, and the image that it downloaded. */
  const use = async (program: string): Promise<{ said: Record<string, unknown>; image: Metadata }> => {
    const out = join(folder, `${program}.image`);
    const { stdout } = await run(process.execPath, [join(folder, "out", `${program}.js`), service.url, csvPath, out], { timeout: 60_000 });
    return { said: JSON.parse(stdout) as Record<string, unknown>, image: await sharp(await readFile(out)).metadata() };
  };

  test("openapi-typescript with openapi-fetch uploads, waits and downloads, typed under strict", async () => {
    const { said, image } = await use("use-openapi-fetch");
    const { results, ...rest } = said;
    assert.deepEqual(rest, { status: "completed", completed: 1, metadata: { import: 42 }, formStatus: "pending", code: "batch_not_found" });
    assert.match(String(results), /Output Image Urls.+\n1,Product 1,.+1-1\.webp/);
    assert.deepEqual([image.format, image.width], ["webp", 320]);
  });

  test("@hey-api/openapi-ts uploads, waits and downloads, typed under strict", async () => {
    const { said, image } = await use("use-hey-api");
    const { results, ...rest } = said;
    assert.deepEqual(rest, {
      status: "completed",
      completed: 1,
      outputs: [
        { name: "large", width: 300 },
        { name: "thumb", width: 100 },
      ],
      metadata: { import: 42 },
      products: 1,
      code: "batch_not_found",
    });
    assert.match(String(results), /Output Image Urls.+\n1,Product 1,.+1-1-large\.jpg/);
    assert.deepEqual([image.format, image.width], ["jpeg", 300]);
  });
});
