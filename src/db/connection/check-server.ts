import { randomUUID } from "node:crypto";
import pg from "pg";
import { connectionOptions, POOLER_IN_THE_WAY } from "./connect.ts";
import { openSession } from "./session.ts";

const POSTGRES_VERSION_MIN = 150_000;
/** A server that was made under the locale C has SQL_ASCII: it keeps bytes as they come, and from us comes UTF-8, as pg tells the server. */
const ENCODINGS = new Set(["UTF8", "SQL_ASCII"]);
/** A pooler in session mode lets a client wait while it has no connection for it. */
const BESIDE_MS = 5_000;
/** Half of them while another client is in a transaction. */
const SESSION_ASKED = 6;

/** Refuses a server on which Pressrun could not work, or a pooler before it, with the way out. */
export async function checkServer(client: pg.Client, url: string): Promise<void> {
  await refuseOldServer(client);
  await refuseEncoding(client);
  await refuseReadOnly(client);
  await refuseTransactionPooling(client, url);
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

/** Any other has no room for most scripts: the upload of the first catalogue with such a name would get a 500 (22P05). */
async function refuseEncoding(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ encoding: string }>("select current_setting('server_encoding') as encoding");
  const encoding = rows[0]?.encoding ?? "none";
  if (ENCODINGS.has(encoding)) return;
  throw new Error(
    `expected its encoding to be UTF8, got ${encoding}, in which names of most scripts cannot be written. Make another with \`create database NAME encoding 'UTF8' locale 'C' template template0\`, and let DATABASE_URL name that; a dump of this one can be restored into it.`,
  );
}

/** Where a failover is on its way this passes, so that it counts as a server that is away for now (25006). */
export async function refuseReadOnly(client: Pick<pg.ClientBase, "query">): Promise<void> {
  const { rows } = await client.query<{ readOnly: string }>("select current_setting('transaction_read_only') as \"readOnly\"");
  if (rows[0]?.readOnly !== "on") return;
  const message = "it can only be read: it is a standby, or default_transaction_read_only is on. Pressrun needs one that takes changes.";
  throw Object.assign(new Error(message), { code: "25006" });
}

/**
 * A pooler in transaction mode gives a connection to the server to its next client as soon as nothing is in progress on it, and with it
 * what must stay with one: prepared statements, notifications, the lock of migrations.
 */
async function refuseTransactionPooling(client: pg.Client, url: string): Promise<void> {
  const beside = new pg.Client({ ...connectionOptions(url, "pressrun migrate"), query_timeout: BESIDE_MS });
  beside.on("error", () => {});
  await openSession(beside);
  try {
    if (!(await keepsItsSession(client, beside))) throw new Error(POOLER_IN_THE_WAY);
  } finally {
    await beside.end();
  }
}

/**
 * Asks one client again and again what its session has, while the other holds a connection and after it has given that back. The two meet
 * in one process of the server where the pooler gives out the connection that was used last; where its connections take turns, the
 * client comes to another one.
 */
async function keepsItsSession(client: pg.Client, beside: pg.Client): Promise<boolean> {
  const mark = randomUUID();
  await client.query("select set_config('pressrun.probe', $1, false)", [mark]);
  const first = await readSession(client);
  if (first.mark !== mark) return false;
  if (!(await takesTransactions(beside))) return false;
  if ((await readSession(beside)).pid === first.pid) return false;
  for (let asked = 0; asked < SESSION_ASKED; asked += 1) {
    if (asked === SESSION_ASKED / 2) await beside.query("rollback");
    const { mark: kept, pid } = await readSession(client);
    if (kept !== mark || pid !== first.pid) return false;
  }
  return true;
}

/** Opens one. A pooler in statement mode answers that with a fault of the protocol. */
async function takesTransactions(client: pg.Client): Promise<boolean> {
  try {
    await client.query("begin");
    return true;
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === "08P01") return false;
    throw error;
  }
}

type Session = { mark: string | null; pid: number };

async function readSession(client: pg.Client): Promise<Session> {
  const { rows } = await client.query<Session>("select current_setting('pressrun.probe', true) as mark, pg_backend_pid() as pid");
  return rows[0] ?? { mark: null, pid: 0 };
}
