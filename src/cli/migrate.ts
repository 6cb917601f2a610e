import { readConfig } from "../config.ts";
import { migrateDatabase } from "../db/connection/migrate.ts";
import { connectDatabase } from "../db/connection/connect.ts";
import { openQueue } from "../queue/queue.ts";
import { makeDataDir } from "../storage/make-folder.ts";
import { openEmbedded } from "./open-embedded.ts";

/** Brings the tables of Pressrun and of its queue up to date, and ends. */
export async function migrate(): Promise<void> {
  const config = readConfig(process.env, { isServed: false });
  if (config.databaseUrl !== null) return bringUpToDate(config.databaseUrl);
  await makeDataDir(config.dataDir);
  const database = await openEmbedded(config);
  try {
    await bringUpToDate(database.url);
  } finally {
    await database.close();
  }
}

async function bringUpToDate(url: string): Promise<void> {
  await migrateDatabase(url, {
    waiting: () => console.error("Waiting for another process that migrates the database."),
    locked: (sessions) => console.error(`Waiting for sessions that keep what is to be changed locked: ${sessions}.`),
  });
  const db = connectDatabase({ url, poolMax: 2, onError: () => {} });
  const queue = await openQueue({ executor: db.executor, supervise: false, onError: () => {} });
  await queue.stop();
  await db.close();
  console.log("The database is up to date.");
}
