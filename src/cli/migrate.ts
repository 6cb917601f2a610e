import { readConfig, type Config } from "../config.ts";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "../embedded/embedded-postgres.ts";
import { migrateDatabase } from "../db/migrate.ts";
import { connectDatabase } from "../db/connect.ts";
import { openQueue } from "../queue/queue.ts";
import { makeDataDir } from "../storage/make-folder.ts";

/** Brings the tables of Pressrun and of its queue up to date, and ends. */
export async function migrate(): Promise<void> {
  const config = readConfig(process.env);
  const embedded = config.databaseUrl === null ? await startEmbedded(config) : null;
  const url = config.databaseUrl ?? embedded?.url ?? "";
  try {
    await migrateDatabase(url, () => console.error("Waiting for another process that migrates the database."));
    const db = connectDatabase({ url, poolMax: 2, onError: () => {} });
    const queue = await openQueue({ executor: db.executor, supervise: false, onError: () => {} });
    await queue.stop();
    await db.close();
    console.log("The database is up to date.");
  } finally {
    // A server that another process started goes on running.
    await (embedded?.adopted ? embedded.leave() : embedded?.stop());
  }
}

async function startEmbedded({ dataDir, embeddedPgPort }: Config): Promise<EmbeddedPostgres> {
  await makeDataDir(dataDir);
  return startEmbeddedPostgres({ dataDir, port: embeddedPgPort, log: console.error });
}
