import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectDatabase } from "../../src/db/connect.ts";
import { migrateDatabase } from "../../src/db/migrate.ts";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "../../src/embedded/embedded-postgres.ts";
import { openQueue } from "../../src/queue/queue.ts";

/** One PostgreSQL for the whole run, with a migrated template that every test file clones. */
let postgres: EmbeddedPostgres | undefined;
let folder = "";

export async function globalSetup(): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), "pressrun-test-"));
  // Every file is a process that loads the same modules: a sixth of a second less for each.
  process.env["NODE_COMPILE_CACHE"] ??= join(folder, "compile-cache");
  postgres = await startEmbeddedPostgres({ dataDir: folder, port: 0, log: () => {} });
  const template = await createDatabase(postgres.url, "template_pressrun");
  await migrateDatabase(template);
  const db = connectDatabase({ url: template, poolMax: 2, onError: () => {} });
  const queue = await openQueue({ executor: db.executor, supervise: false, onError: () => {} });
  await queue.stop();
  await db.close();
  process.env["TEST_POSTGRES_URL"] = postgres.url;
}

async function createDatabase(serverUrl: string, name: string): Promise<string> {
  const db = connectDatabase({ url: serverUrl, poolMax: 1, onError: () => {} });
  await db.executor.executeSql(`create database ${name}`);
  await db.close();
  return Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href;
}

export async function globalTeardown(): Promise<void> {
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
}
