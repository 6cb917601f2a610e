import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { blocksOf } from "../docs/commands/page-steps.ts";
import { assertSameOutput } from "../docs/commands/same-output.ts";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { processesNaming } from "../support/processes.ts";
import { startService } from "../support/service.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** As an installed package it is compiled (Node strips no types below node_modules), and holds only what it says it does. */
describe("the package, installed into an empty folder", { timeout: 240_000 }, () => {
  let folder: string;
  let origin: Origin;
  before(async () => {
    folder = await createTestFolder();
    origin = await startOrigin();
    const npm = (cwd: string, ...words: string[]) => {
      const { status, stdout, stderr } = spawnSync("npm", [...words, "--no-audit", "--no-fund", "--prefer-offline"], {
        cwd,
        encoding: "utf8",
      });
      assert.equal(status, 0, stdout + stderr);
      return stdout;
    };
    const packed = npm(ROOT, "pack", "--pack-destination", folder).trim().split("\n").at(-1) ?? "";
    await mkdir(join(folder, "shop"));
    npm(join(folder, "shop"), "install", join(folder, packed));
  });

  const installed = () => join(folder, "shop", "node_modules", ".bin", "pressrun");
  /** As from a shell that knows nothing of a checkout, with whatever Node the machine has. */
  const env = () => ({
    PATH: (process.env["PATH"] ?? "")
      .split(":")
      .filter((entry) => !entry.includes("node_modules"))
      .join(":"),
    HOME: folder,
  });
  const run = async (...words: string[]) => {
    const child = spawn(installed(), words, { cwd: join(folder, "shop"), timeout: 60_000, env: { ...env(), ALLOW_CIDRS: "127.0.0.1/32" } });
    const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
    return { status: status as number | null, stdout, stderr };
  };

  test("holds what runs and what explains it, and nothing else", async () => {
    const found = (await readdir(join(folder, "shop", "node_modules", "pressrun"))).toSorted();
    assert.deepEqual(found, [
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "SECURITY.md",
      "bin",
      "dist",
      "docs",
      "examples",
      "migrations",
      "openapi.json",
      "package.json",
    ]);
    const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { version: string };
    assert.equal((await run("--version")).stdout, `${version}\n`);
  });

  test("runs a file to its end", async () => {
    await writeFile(
      join(folder, "shop", "products.csv"),
      catalogueOf([[`${origin.url}/photo/1.jpg`], [`${origin.url}/photo/2.jpg`, `${origin.url}/gone.jpg`]]),
    );
    const { status, stdout, stderr } = await run("process", "products.csv", "--out", "made", "--json");
    assert.equal(status, 1, stdout + stderr);
    const { images, failures } = JSON.parse(stdout) as { images: { done: number }; failures: { code: string }[] };
    assert.deepEqual([images.done, failures.map(({ code }) => code)], [2, ["not_found"]]);
    assert.deepEqual((await readdir(join(folder, "shop", "made", "images"))).toSorted(), ["1-1.jpg", "2-1.jpg"]);
  });

  test("serves", async () => {
    const service = await startService(
      { ...env(), DATA_DIR: join(folder, "data"), DATABASE_URL: await createTestDatabase() },
      { command: [installed(), "serve"] },
    );
    const { requestId } = await service.upload(catalogueOf([[`${origin.url}/photo/3.jpg`]]));
    const status = await service.finished(requestId);
    assert.deepEqual([status.outcome, status.products[0]?.outputImageUrls.length], ["all", 1]);
    assert.equal((await fetch(status.products[0]?.outputImageUrls[0] ?? "")).headers.get("content-type"), "image/jpeg");
    assert.deepEqual(await service.kill("SIGTERM"), { code: 0, signal: null });
  });

  test("runs the demo, and leaves nothing running", async () => {
    const demo = await run("demo");
    assert.equal(demo.status, 0, demo.stdout + demo.stderr);
    for (const line of [
      /27\/27 images, 2 failed/,
      /batch\.completed, signature verified/,
      /25 done, 2 failed, [\d.]+ images per second/,
      /gone\.jpg: not_found/,
      /login\.jpg: html_page/,
    ])
      assert.match(demo.stdout, line);
    const shown = blocksOf(await readFile(join(ROOT, "README.md"), "utf8")).find(({ text }) => text.startsWith("Starting: "))?.text ?? "";
    assertSameOutput(demo.stdout, shown, { folder: join(folder, "shop"), replaced: [] }, "README.md");
    assert.deepEqual(processesNaming(folder), []);
  });
});
