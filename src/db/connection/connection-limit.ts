import { isDatabaseAway, type Executor } from "./connect.ts";

/** −1 is none. A superuser is held by no limit of a role or a database. */
const LIMIT = `
  select least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
      - coalesce(current_setting('reserved_connections', true)::int, 0),
    case when not rolsuper then nullif(rolconnlimit, -1) end,
    case when not rolsuper then (select nullif(datconnlimit, -1) from pg_database where datname = current_database()) end
  ) as connections
  from pg_roles where rolname = session_user`;

/**
 * How many connections the server, the role and the database allow in all, to this process and to whoever shares them. Infinity where the
 * server does not tell, as to a role that may not read pg_roles.
 */
export async function readConnectionLimit(db: Executor): Promise<number> {
  try {
    const { rows } = await db.executeSql(LIMIT);
    return Number(rows[0]?.["connections"] ?? Infinity);
  } catch (error) {
    if (isDatabaseAway(error)) throw error;
    return Infinity;
  }
}
