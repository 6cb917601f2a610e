import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import pg from "pg";
import { openDatabase } from "../../src/cli/report/open-database.ts";
import { shareFolder } from "../../src/db/connection/ownership.ts";
import { useServer } from "../../src/db/connection/use-server.ts";
import { startEmbeddedPostgres } from "../../src/embedded/embedded-postgres.ts";
import { onCleanup } from "../support/cleanup.ts";
import { placeCluster } from "../support/cluster.ts";
import { runCommand, startCommand } from "../support/command.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { processesNaming } from "../support/processes.ts";
import { startService } from "../support/service.ts";

/** The lock of migrations (src/db/connection/migrate.ts): who has it lets `migrate`, and a service that starts, stand still. */
const HOLD_MIGRATIONS = "select pg_advisory_lock(8102099357864587886)";

async function folderWithCluster(): Promise<string> {
  const dataDir = await createTestFolder();
  await placeCluster(dataDir);
  return dataDir;
}

const settingsFor = (dataDir: string) => ({ databaseUrl: null, dataDir, embeddedPgPort: 0 });

async function start(dataDir: string, log: (message: string) => void = () => {}) {
  const postgres = await startEmbeddedPostgres({ dataDir, port: 0, log });
  onCleanup(() => postgres.stop());
  return postgres;
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  onCleanup(() => client.end().catch(() => {}));
  return client;
}

const waitingFor = (client: pg.Client, name: string) =>
  eventually(`${name} to wait`, async () => {
    const asked = "select from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'";
    return (await client.query(asked, [name])).rowCount === 1;
  });

describe("the embedded PostgreSQL that several use", () => {
  test("outlives the command that started it, and is stopped by the last one", async () => {
    const dataDir = await folderWithCluster();
    const first = await openDatabase(settingsFor(dataDir));
    const holding = await connect(first.url);
    await holding.query(HOLD_MIGRATIONS);
    const second = startCommand(["migrate"], { DATA_DIR: dataDir, EMBEDDED_PG_PORT: "0" });
    await waitingFor(holding, "pressrun migrate");
    await first.close();
    await holding.end();
    const { code, stderr } = await second.ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual(processesNaming(dataDir), []);
  });

  test("is stopped by one of those that end together", async () => {
    const url = await createTestDatabase();
    const all = await Promise.all([1, 2, 3, 4].map(() => useServer(url)));
    const answers = await Promise.all(all.map(({ isLast }) => isLast()));
    await Promise.all(all.map(({ close }) => close()));
    assert.deepEqual(answers.toSorted(), [false, false, false, true]);
  });

  test("is left by the last command to processes that have it by DATABASE_URL, whose owner is gone", async () => {
    const url = await createTestDatabase();
    const worker = await shareFolder({ url, folderId: async () => randomUUID(), onLost: assert.fail });
    assert.ok(worker);
    const use = await useServer(url);
    assert.equal(await use.isLast(), false);
    await Promise.all([use.close(), worker.close()]);
  });

  test("is stopped by a command also after a crash that ended its session", async () => {
    const dataDir = await folderWithCluster();
    const opened = await openDatabase(settingsFor(dataDir));
    const client = await connect(opened.url);
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    process.kill(rows[0]?.pid ?? 0, "SIGKILL");
    await new Promise((resolve) => client.once("end", resolve));
    await opened.close();
    assert.deepEqual(processesNaming(dataDir), []);
  });

  test("is not started again by a command once its service has stopped it", async () => {
    const [dataDir, other] = [await folderWithCluster(), await folderWithCluster()];
    const service = await startService({ DATA_DIR: dataDir });
    const opened = await openDatabase(settingsFor(dataDir));
    const said: string[] = [];
    const watched = await start(other, (message) => void said.push(message));
    assert.equal((await service.kill("SIGTERM")).code, 0);
    // An owner's watch begins to look here, as a command's would have before.
    watched.keepRunning();
    process.kill(Number.parseInt(await readFile(join(other, "postgres", "postmaster.pid"), "utf8")), "SIGQUIT");
    await eventually("the other server to run again", async () => said.length > 0);
    assert.deepEqual(processesNaming(dataDir), []);
    await opened.close();
    assert.deepEqual(processesNaming(dataDir), []);
  });

  test("is started again for a command that comes while the last one stops it", async () => {
    const dataDir = await folderWithCluster();
    const postgres = await start(dataDir);
    const last = await useServer(postgres.url);
    assert.equal(await last.isLast(), true);
    const coming = runCommand(["report", "savings"], { DATA_DIR: dataDir, EMBEDDED_PG_PORT: "0" });
    await waitingFor(await connect(postgres.url), "pressrun command");
    await postgres.stop();
    await last.close();
    const { code, stderr } = await coming;
    assert.deepEqual([code, stderr], [0, ""]);
    assert.deepEqual(processesNaming(dataDir), []);
  });

  test("is the service's that comes while a command has it, or starts again for one that comes just too late", async () => {
    const dataDir = await folderWithCluster();
    const postgres = await start(dataDir);
    const command = await useServer(postgres.url);
    const holding = await connect(postgres.url);
    await holding.query(HOLD_MIGRATIONS);
    const starting = startService({ DATA_DIR: dataDir });
    await waitingFor(holding, "pressrun migrate");
    assert.equal(await command.isLast(), false);
    await command.close();
    // As by a command that had looked for an owner before this one came.
    await postgres.stop();
    const service = await starting;
    assert.equal((await fetch(`${service.url}/readyz`)).status, 200);
    assert.equal((await service.kill("SIGTERM")).code, 0);
    assert.deepEqual(processesNaming(dataDir), []);
  });
});
