import type { Database, Executor } from "./connect.ts";

/** Whoever asks whether we are ready waits some seconds; another statement may take a minute. pg's types do not know of the time. */
const LOOK = { text: "select 1", query_timeout: 5_000 };

/**
 * Whether the database answers. One that can only be read (a standby, or a server that its host has closed for writing since its disk is
 * full) counts as there: all processes of a fleet share it, so that a balancer would find none to send a request to. As it is, states,
 * results and outputs are given, and an upload gets a 503 of its own.
 */
export async function isDatabaseReady({ pool }: Pick<Database, "pool">): Promise<boolean> {
  return pool.query(LOOK).then(
    () => true,
    () => false,
  );
}

/** The database's clock, in milliseconds since 1970. */
export async function readDatabaseTimeMs(db: Executor): Promise<number> {
  const { rows } = await db.executeSql("select (extract(epoch from clock_timestamp()) * 1000)::float8 as now");
  return Number(rows[0]?.["now"]);
}
