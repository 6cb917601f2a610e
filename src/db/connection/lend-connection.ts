import type pg from "pg";

/** Lends a connection of a pool for as long as `use` takes. It is not used again once `giveUp` was called, or it broke. */
export type Lend = <T>(use: (client: pg.PoolClient, giveUp: (error: Error) => void) => Promise<T>) => Promise<T>;

/**
 * For some seconds of a failover a server's name still leads to the old primary, which is a standby when it is back. It answers what is
 * read, so that connections from that time would stay for as long as anybody reads, and each would refuse changes when its turn comes. So
 * the first refusal gives up all that were open by then: who comes next gets a new one, and those in use end as they come back.
 */
export function lender(pool: pg.Pool, isReadOnly: (error: unknown) => boolean): Lend {
  let trusted = new WeakSet<pg.PoolClient>();
  pool.on("connect", (client) => trusted.add(client));
  const take = async () => {
    for (;;) {
      const client = await pool.connect();
      if (trusted.has(client)) return client;
      client.release(true);
    }
  };
  return async (use) => {
    const client = await take();
    // The pool takes its own listener off a client in use; without this one a socket that dies between statements would end the process.
    let broken: Error | undefined;
    const giveUp = (error: Error) => void (broken = error);
    client.on("error", giveUp);
    try {
      return await use(client, giveUp);
    } catch (error) {
      // Once for all of them: a refusal that comes late, by one that is given up already, says nothing of those that were made since.
      if (isReadOnly(error) && trusted.has(client)) trusted = new WeakSet();
      throw error;
    } finally {
      client.off("error", giveUp);
      client.release(broken ?? !trusted.has(client));
    }
  };
}
