import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { errorCode } from "../../domain/error-code.ts";
import { connectionOptions, isDatabaseAway, isDatabaseClosed, unlessHanging } from "./connect.ts";
import { IS_SERVED } from "./ownership.ts";
import { openSession } from "./session.ts";

/** Drawn once: the commands share it that have an embedded server in use, and who stops the server has it alone. */
const USERS_LOCK = "8102099357864814448";
/** Each answer takes milliseconds, but that for a lock which somebody has who stops the server. */
const ANSWER_MS = 5_000;
/** A server that has crashed takes no session until it has recovered, which is asked for so often and so long. */
const RETRY_MS = 100;
const RECOVERY_MS = 60_000;

export type ServerUse = {
  /**
   * Ends this use, and says whether nobody else has the server in use: no command, and no service. From a yes until `close` no
   * other command comes, but waits until the server is gone.
   */
  isLast(): Promise<boolean>;
  close(): Promise<void>;
};

/**
 * Says for as long as it is open that a command has the embedded server in use. Throws what `isDatabaseAway` knows where the server is
 * being stopped.
 */
export async function useServer(url: string): Promise<ServerUse> {
  let client: pg.Client | null = await openClient(url);
  const close = async () => {
    const ending = client?.end().catch(() => {});
    client = null;
    if (ending) await unlessHanging(ending);
  };
  try {
    await client.query("select pg_advisory_lock_shared($1)", [USERS_LOCK]);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    close,
    async isLast() {
      const deadline = performance.now() + RECOVERY_MS;
      for (; performance.now() < deadline; await delay(RETRY_MS)) {
        try {
          client ??= await openClient(url);
          return await isAlone(client);
        } catch (error) {
          // Stopped; or another folder's server has its port by now, and knows us not.
          if (errorCode(error) === "ECONNREFUSED" || isDatabaseClosed(error)) return false;
          if (!isDatabaseAway(error)) throw error;
          // Stopped and started by others, or crashed: whose it is now is asked in a new session.
          await close();
        }
      }
      return false;
    },
  };
}

async function openClient(url: string): Promise<pg.Client> {
  const client = new pg.Client({ ...connectionOptions(url, "pressrun command"), query_timeout: ANSWER_MS });
  client.on("error", () => {});
  await openSession(client);
  return client;
}

/**
 * Of those who end together all end their use before they ask, so that one of them gets yes. A service is looked for, not kept
 * out: one that finds its lock taken would not start, while one that loses its server while it starts tries again.
 */
async function isAlone(client: pg.Client): Promise<boolean> {
  await client.query("select pg_advisory_unlock_all()");
  const { rows } = await client.query<{ isAlone: boolean }>(`select pg_try_advisory_lock($1) and not ${IS_SERVED} as "isAlone"`, [
    USERS_LOCK,
  ]);
  return rows[0]?.isAlone === true;
}
