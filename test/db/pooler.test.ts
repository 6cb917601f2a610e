import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import pg from "pg";
import { migrateDatabase } from "../../src/db/connection/migrate.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";

const isInstalled = spawnSync("pgbouncer", ["--version"]).status === 0;
const isRoot = process.getuid?.() === 0;

describe("a pooler before the database", { skip: isInstalled ? false : "pgbouncer is not installed" }, () => {
  test("is refused in transaction mode, before anything is done", async () => {
    const server = await createTestDatabase();
    const url = await startPooler(server, "transaction");
    await assert.rejects(migrateDatabase(url), /pool_mode = transaction or statement.+Set pool_mode = session/);
    const client = new pg.Client({ connectionString: server });
    await client.connect();
    onCleanup(() => client.end());
    const { rows } = await client.query(
      "select 1 from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())",
    );
    assert.deepEqual(rows, [], "no lock stays with a pooled connection");
  });

  for (const connections of [2, 4])
    test(`is refused where its ${connections} connections take turns`, async () => {
      const url = await startPooler(
        await createTestDatabase(),
        "transaction",
        `server_round_robin = 1\ndefault_pool_size = ${connections}\n`,
      );
      await warm(url, connections);
      await assert.rejects(migrateDatabase(url), /pool_mode = transaction or statement/);
    });

  test("is refused in statement mode", async () => {
    await assert.rejects(
      migrateDatabase(await startPooler(await createTestDatabase(), "statement")),
      /pool_mode = transaction or statement/,
    );
  });

  test("is taken in session mode", async () => {
    await migrateDatabase(await startPooler(await createTestDatabase(), "session"));
  });
});

/** Has it open all its connections to the server: each client is in a transaction until all are. */
async function warm(url: string, connections: number): Promise<void> {
  const clients = Array.from({ length: connections }, () => new pg.Client({ connectionString: url }));
  await Promise.all(clients.map((client) => client.connect()));
  await Promise.all(clients.map((client) => client.query("begin; select 1")));
  await Promise.all(clients.map((client) => client.query("rollback")));
  await Promise.all(clients.map((client) => client.end()));
}

/** Listens in a folder of its own; the port only names its socket there. */
async function startPooler(server: string, mode: "transaction" | "statement" | "session", more = ""): Promise<string> {
  const folder = await createTestFolder();
  await chmod(folder, 0o777);
  const { hostname, port, username, password, pathname } = new URL(server);
  const config = join(folder, "pgbouncer.ini");
  await writeFile(join(folder, "users.txt"), `"${username}" "${decodeURIComponent(password)}"\n`);
  await writeFile(
    config,
    `[databases]\n* = host=${hostname} port=${port}\n[pgbouncer]\npool_mode = ${mode}\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = ${folder}\nauth_type = plain\nauth_file = ${folder}/users.txt\nignore_startup_parameters = extra_float_digits\n${more}`,
  );
  const child = spawn("pgbouncer", [...(isRoot ? ["-u", "nobody"] : []), config], { stdio: "ignore" });
  onCleanup(() => void child.kill("SIGKILL"));
  const url = `postgres://${username}:${password}@${pathname}?host=${encodeURIComponent(folder)}&port=6432`;
  await eventually("the pooler", async () => {
    const client = new pg.Client({ connectionString: url });
    return client.connect().then(
      () => client.end().then(() => true),
      () => null,
    );
  });
  return url;
}
