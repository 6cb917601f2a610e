import assert from "node:assert/strict";
import { test } from "node:test";
import { runCommand } from "../support/command.ts";
import { createTestFolder } from "../support/folder.ts";
import { startService } from "../support/service.ts";

test("`migrate` makes the database of a new folder; beside a service it ends, and leaves that its own", { timeout: 60_000 }, async () => {
  const env = { DATA_DIR: await createTestFolder(), EMBEDDED_PG_PORT: "0" };
  const first = await runCommand(["migrate"], env);
  assert.deepEqual([first.code, first.stdout], [0, "The database is up to date.\n"], first.stderr);

  const service = await startService(env);
  const beside = await runCommand(["migrate"], env);
  assert.deepEqual([beside.code, beside.stdout], [0, "The database is up to date.\n"], beside.stderr);
  assert.equal((await fetch(`${service.url}/readyz`)).status, 200);
  assert.equal((await service.kill("SIGTERM")).code, 0);
});
