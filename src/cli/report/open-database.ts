import { join } from "node:path";
import type { Config } from "../../config.ts";
import { hasCluster } from "../../embedded/cluster.ts";
import { openEmbedded } from "../open-embedded.ts";

export type OpenedDatabase = {
  url: string;
  /** The server and all that is in it are ours alone. */
  isEmbedded: boolean;
  close(): Promise<void>;
};

/**
 * The database of this configuration, for a command that only asks it something. An embedded one that a service or another
 * command has in use goes on running, else it is stopped again, and one that is not there is not made.
 */
export async function openDatabase({
  databaseUrl,
  dataDir,
  ...config
}: Pick<Config, "databaseUrl" | "dataDir" | "embeddedPgPort">): Promise<OpenedDatabase> {
  if (databaseUrl !== null) return { url: databaseUrl, isEmbedded: false, close: async () => {} };
  if (!(await hasCluster(join(dataDir, "postgres")))) {
    throw new Error(
      `Expected a database in ${join(dataDir, "postgres")}, where there is none. Set DATA_DIR to the folder that \`pressrun serve\` has, or DATABASE_URL to its PostgreSQL.`,
    );
  }
  return { ...(await openEmbedded({ dataDir, ...config })), isEmbedded: true };
}
