import pg from "pg";

/** "pressown" in ASCII, cut to 63 bits: one process may own a DATA_DIR's embedded database. */
const OWNER_LOCK = "8102099357864814446";
const RETRY_MS = 500;

export type Ownership = { close(): Promise<void> };

/**
 * Takes the session advisory lock that says "this process serves this DATA_DIR", or resolves null when another
 * process holds it. A lock dies with its connection, so that a broken connection takes it again at once; should
 * another process have been faster, `onLost` is called and this process must stop.
 */
export async function takeOwnership(options: { url: string; onLost: () => void }): Promise<Ownership | null> {
  let isClosed = false;
  let client = await lockedClient(options.url);
  if (!client) return null;

  const hold = (held: pg.Client) => {
    held.on("end", () => {
      if (!isClosed) void retake();
    });
  };
  const retake = async () => {
    while (!isClosed) {
      try {
        const next = await lockedClient(options.url);
        if (!next) return options.onLost();
        client = next;
        return hold(next);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  };

  hold(client);
  return {
    async close() {
      isClosed = true;
      await client?.end().catch(() => {});
    },
  };
}

async function lockedClient(url: string): Promise<pg.Client | null> {
  const client = new pg.Client({
    connectionString: url,
    keepAlive: true,
    application_name: "pressrun owner",
    connectionTimeoutMillis: 5_000,
  });
  client.on("error", () => client.end().catch(() => {}));
  await client.connect();
  try {
    const { rows } = await client.query<{ locked: boolean }>("select pg_try_advisory_lock($1) as locked", [OWNER_LOCK]);
    if (rows[0]?.locked) return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
  await client.end();
  return null;
}
