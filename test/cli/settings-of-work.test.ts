import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { settingsOfWork } from "../../src/cli/settings-of-work.ts";
import { placeCluster } from "../support/cluster.ts";
import { runCommand } from "../support/command.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";

/** As an operator has them in the environment who runs the service there too: in use, but for the service alone. */
const OF_THE_SERVICE = {
  HOST: "0.0.0.0",
  PORT: "1",
  PUBLIC_URL: "https://img.shop.example",
  API_KEYS: "key",
  AUTH: "none",
  ROLE: "api",
  DATABASE_URL: "postgres://nobody:hunter2@127.0.0.1:1/nowhere",
  WEBHOOK_URL: "https://shop.example/hook",
  WEBHOOK_SECRET: Buffer.alloc(32, 1).toString("base64"),
  WEBHOOK_AUTHORIZATION: "Bearer hunter2",
  WEBHOOK_PAYLOAD: "seed",
  KEEP_BATCHES_DAYS: "7",
};

test("what is of the service alone is taken out of the environment", () => {
  const names = Object.keys(settingsOfWork(OF_THE_SERVICE));
  assert.deepEqual(
    names.filter((name) => settingsOfWork(OF_THE_SERVICE)[name] !== ""),
    [],
  );
});

describe("a command that works by itself heeds none of the settings of API, webhook and database:", () => {
  test("process", async () => {
    const folder = await createTestFolder();
    const origin = await startOrigin();
    await writeFile(join(folder, "products.csv"), catalogueOf([[`${origin.url}/photo/1.jpg`]]));
    await placeCluster(join(folder, "out", ".pressrun"));
    const { code, stdout, stderr } = await runCommand(
      ["process", join(folder, "products.csv"), "--out", join(folder, "out"), "--json"],
      OF_THE_SERVICE,
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual((JSON.parse(stdout) as { outcome: string }).outcome, "all");
  });

  test("demo", async () => {
    const dataDir = await createTestFolder();
    await placeCluster(join(dataDir, "demo"));
    const { code, stdout, stderr } = await runCommand(["demo"], { ...OF_THE_SERVICE, DATA_DIR: dataDir, EMBEDDED_PG_PORT: "0" });
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /Webhook +batch\.completed, signature verified/);
  });
});
