import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectDatabase } from "../../src/db/connection/connect.ts";
import { migrateDatabase } from "../../src/db/connection/migrate.ts";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "../../src/embedded/embedded-postgres.ts";
import { DATABASE } from "../../src/embedded/cluster.ts";
import { openQueue } from "../../src/queue/queue.ts";
import { placeCluster } from "./cluster.ts";
import { makeFolderInMemory } from "./files-in-memory.ts";

/**
 * One PostgreSQL for the whole run, with a migrated template that every test file clones; and the files of a migrated cluster, for
 * tests that need one of their own (`placeCluster`).
 */
let postgres: EmbeddedPostgres | undefined;
let folder = "";
let inMemory: string | null = null;

export async function globalSetup(): Promise<void> {
  // Every test file, service and command is a process that loads the same modules: each compiles only what none has before.
  process.env["NODE_COMPILE_CACHE"] ??= join(tmpdir(), "node-compile-cache");
  // Whoever has set it has chosen where the files of the tests lie.
  if (process.env["TMPDIR"] === undefined) inMemory = makeFolderInMemory();
  if (inMemory !== null) process.env["TMPDIR"] = inMemory;
  folder = await mkdtemp(join(tmpdir(), "pressrun-test-"));
  process.env["TEST_CLUSTER"] = await makeCluster();
  await placeCluster(folder);
  postgres = await startEmbeddedPostgres({ dataDir: folder, port: 0, log: () => {} });
  const server = connectDatabase({
    url: Object.assign(new URL(postgres.url), { pathname: "/postgres" }).href,
    poolMax: 1,
    onError: () => {},
  });
  await server.executor.executeSql(`create database template_pressrun template ${DATABASE}`);
  await server.close();
  process.env["TEST_POSTGRES_URL"] = postgres.url;
}

/** Makes a cluster with the tables and queues that the service would make at its start, stops it, and returns its folder. */
async function makeCluster(): Promise<string> {
  const dataDir = join(folder, "template");
  const made = await startEmbeddedPostgres({ dataDir, port: 0, log: () => {} });
  await migrateDatabase(made.url);
  const db = connectDatabase({ url: made.url, poolMax: 2, onError: () => {} });
  const queue = await openQueue({ executor: db.executor, supervise: false, onError: () => {} });
  await queue.stop();
  await db.close();
  await made.stop();
  // A copy chooses a port of its own.
  await rm(join(dataDir, "postgres", "pressrun.port"));
  return join(dataDir, "postgres");
}

export async function globalTeardown(): Promise<void> {
  await postgres?.stop();
  for (const made of [folder, inMemory]) if (made !== null) await rm(made, { recursive: true, force: true });
}
