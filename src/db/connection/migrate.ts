import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { checkServer } from "./check-server.ts";
import { connectionOptions, type Executor } from "./connect.ts";
import { isLockRefused } from "./lock-wait.ts";
import { openSession } from "./session.ts";

/** Names the lock of migrations among the advisory locks of a database. Drawn once; another number would be another lock. */
const MIGRATION_LOCK = "8102099357864587886";
const MIGRATIONS = fileURLToPath(new URL("../../../migrations", import.meta.url));
/**
 * Who comes after a statement that waits for a table waits behind it, so that it waits a little, for less than
 * PostgreSQL waits before it looks for a deadlock, and lets them go before it tries again.
 */
const LOCK_WAIT_MS = 900;
const BETWEEN_TRIES_MS = 2_000;

type MigrationOptions = {
  /** Another process migrates the database. */
  waiting?(): void;
  /** Sessions have used what a migration changes, and have not ended their transactions: said again where they are others. */
  locked?(sessions: string): void;
  signal?: AbortSignal;
};

/**
 * Brings the tables up to date. drizzle's migrate() takes no lock of its own, so an advisory lock on the same
 * connection lets several processes start at once.
 */
export async function migrateDatabase(url: string, news: MigrationOptions = {}): Promise<void> {
  const client = new pg.Client(connectionOptions(url, "pressrun migrate"));
  client.on("error", () => {});
  await openSession(client);
  try {
    await checkServer(client, url);
    await client.query(`set lock_timeout = ${LOCK_WAIT_MS}`);
    await takeMigrationLock(client, news);
    if (!(await isUpToDate(client))) await migrateAmongOthers(client, news);
  } finally {
    await client.end();
  }
}

/** The server's wait is ended now and then, as it does not hear a stop. */
async function takeMigrationLock(client: pg.Client, { waiting, signal }: MigrationOptions): Promise<void> {
  const taken = await client.query<{ isTaken: boolean }>('select pg_try_advisory_lock($1) as "isTaken"', [MIGRATION_LOCK]);
  if (taken.rows[0]?.isTaken) return;
  waiting?.();
  for (;;) {
    signal?.throwIfAborted();
    try {
      await client.query("select pg_advisory_lock($1)", [MIGRATION_LOCK]);
      return;
    } catch (error) {
      if (!isLockRefused(error)) throw error;
    }
  }
}

/** Beside a dashboard that is left open in a transaction, and processes of the version before that go on working. */
async function migrateAmongOthers(client: pg.Client, { locked, signal }: MigrationOptions): Promise<void> {
  for (let said = ""; ;) {
    try {
      return await applyMigrations(client);
    } catch (error) {
      if (!isLockRefused(error)) throw error;
    }
    const sessions = await findOldTransactions(client);
    if (sessions !== said) locked?.((said = sessions));
    await delay(BETWEEN_TRIES_MS, undefined, { signal });
  }
}

/** Of those that hold a lock on anything in this database, by the number of their process and the name that they gave themselves. */
async function findOldTransactions(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ sessions: string | null }>(`
    select string_agg(format('%s (%s)', pid, coalesce(nullif(application_name, ''), 'no name')), ', ' order by pid) as sessions
    from pg_stat_activity a
    where pid <> pg_backend_pid() and datname = current_database() and coalesce(xact_start < now() - interval '0.5 seconds', true)
      and exists (select from pg_locks l where l.pid = a.pid and l.granted and l.locktype = 'relation' and l.relation >= 16384)`);
  return rows[0]?.sessions ?? "";
}

/**
 * Compares the newest migration that is recorded with the newest there is, as drizzle itself does. To drizzle a database with newer
 * ones is up to date too; but what this version would write into tables that it does not know, nobody can say.
 */
async function isUpToDate(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ table: string | null }>("select to_regclass('drizzle.__drizzle_migrations')::text as table");
  if (!rows[0]?.table) return false;
  const last = await findLastMigration({ executeSql: (text) => client.query(text) });
  const newest = await readNewestMigration();
  if (last > newest) throw new Error(migratedByNewer(last));
  return last === newest;
}

/** When the newest migration of this version was written, in milliseconds, as that of the tables is recorded. */
export async function readNewestMigration(): Promise<number> {
  const journal = JSON.parse(await readFile(`${MIGRATIONS}/meta/_journal.json`, "utf8")) as { entries: { when: number }[] };
  return journal.entries.at(-1)?.when ?? 0;
}

export async function findLastMigration(executor: Executor): Promise<number> {
  const { rows } = await executor.executeSql("select max(created_at)::float8 as last from drizzle.__drizzle_migrations");
  return Number(rows[0]?.["last"] ?? 0);
}

/** What is to be said of a database whose last migration is newer than ours. */
export function migratedByNewer(last: number): string {
  return `it was migrated by a newer version of Pressrun, of ${new Date(last).toISOString().slice(0, 10)} or later. Start that version, or bring back the backup from before the upgrade.`;
}

const MUST_OWN =
  ". The role changes tables and views of Pressrun and must own them: run `reassign owned by OTHER to ROLE` in the database, where OTHER made them, or `alter table NAME owner to ROLE` for each.";

/** To what the server has against making the tables, by its SQLSTATE: since PostgreSQL 15 nobody but its owner may make any in public. */
const WAYS_OUT: Readonly<Record<string, string>> = {
  "42501":
    ". The role makes schemas in the database and tables in the first schema of its search_path: run `grant create on database NAME to ROLE` and, in that database, `grant create on schema public to ROLE`, or let the role own the database.",
  "3F000":
    ". Its search_path names no schema that exists and that it may use: make one with `create schema NAME authorization ROLE`, or set search_path.",
};

/** The same SQLSTATE says that nothing may be made in the database, or in a schema, and that something belongs to another role. */
function findWayOut({ code = "", message }: pg.DatabaseError): string {
  const isOthers = /^must be owner of|^permission denied for (table|view|sequence)/.test(message);
  return isOthers ? MUST_OWN : (WAYS_OUT[code] ?? "");
}

/**
 * Loaded only when needed, and by `require`: `import` parses drizzle's package.json of 180 kB once for each of its modules,
 * 0.8 s in all instead of 0.1.
 */
async function applyMigrations(client: pg.Client): Promise<void> {
  const require = createRequire(import.meta.url);
  const { drizzle } = require("drizzle-orm/node-postgres") as typeof import("drizzle-orm/node-postgres");
  const { migrate } = require("drizzle-orm/node-postgres/migrator") as typeof import("drizzle-orm/node-postgres/migrator");
  try {
    await migrate(drizzle(client), { migrationsFolder: MIGRATIONS });
  } catch (error) {
    // drizzle says the whole statement, and only in its cause what the server has against it.
    const fault = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    if (fault instanceof pg.DatabaseError) fault.message += findWayOut(fault);
    throw fault;
  }
}
