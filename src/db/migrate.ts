import { fileURLToPath } from "node:url";
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate } from "drizzle-orm/node-postgres/migrator";
import pg from "pg";

/** Any constant will do, as long as nothing else in this database uses it: "pressrun" in ASCII, cut to 63 bits. */
const MIGRATION_LOCK = "8102099357864587886";
const POSTGRES_VERSION_MIN = 150_000;

/**
 * Brings the tables up to date. drizzle's migrate() takes no lock of its own, so an advisory lock on the same
 * connection lets several processes start at once.
 */
export async function migrateDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: "pressrun migrate" });
  client.on("error", () => {});
  await client.connect();
  try {
    await refuseOldServer(client);
    await client.query("select pg_advisory_lock($1)", [MIGRATION_LOCK]);
    await migrate(drizzle(client), { migrationsFolder: fileURLToPath(new URL("../../migrations", import.meta.url)) });
  } finally {
    await client.end();
  }
}

async function refuseOldServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ number: number; version: string }>(
    "select current_setting('server_version_num')::int as number, current_setting('server_version') as version",
  );
  const server = rows[0];
  if (server && server.number < POSTGRES_VERSION_MIN) {
    throw new Error(`Pressrun needs PostgreSQL 15 or later; the server at DATABASE_URL is ${server.version}.`);
  }
}
