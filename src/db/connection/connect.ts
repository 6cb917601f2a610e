import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { errorCode } from "../../domain/error-code.ts";
import { lender, type Lend } from "./lend-connection.ts";
import { prepareSession } from "./session.ts";

/** Runs one statement. The queue takes one to take part in a transaction of ours, or to use our pool. */
export type Executor = { executeSql(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }> };

/** A transaction in progress: its client for prepared statements and COPY, its executor for the rest and for the queue. */
export type Tx = { client: pg.ClientBase; executor: Executor };

export type Transaction = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;

export type Database = {
  url: string;
  pool: pg.Pool;
  executor: Executor;
  /** Commits when `work` resolves, rolls back when it throws; a connection that broke is not reused. */
  transaction: Transaction;
  /** The same for statements that find every row by its key: the planner may not do otherwise. */
  keyedTransaction: Transaction;
  /**
   * The same for changes that a crash of the server may lose, such as a claim, which is then handed out again. Its commit does
   * not wait for the disk, which takes some 30 ms while outputs are being written.
   */
  fleetingTransaction: Transaction;
  close(): Promise<void>;
};

/** A database that gives no connection for so long is away or swamped, and a 503 says so. */
const CONNECT_MS = 5_000;
/** A statement of ours takes milliseconds; one that hangs on a half-dead connection must not hang its caller. */
const STATEMENT_MS = 60_000;

/** By this a server that vanished without closing its connections is noticed; the system itself would first look after two hours. */
const KEEP_ALIVE_MS = 10_000;

/**
 * The longest that a connection of the pool stays: after a failover it may lead to a server that answers what is read, and is behind. A
 * process that only reads would keep it for as long as anybody asks. To connect anew takes some 5 ms.
 */
const LIFETIME_S = 300;

/** The options of each of our connections, in a pool or alone; pg_stat_activity shows its name. */
export function connectionOptions(url: string, name: string) {
  return {
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  };
}

export function connectDatabase(options: { url: string; poolMax: number; onError: (error: Error) => void }): Database {
  const pool = new pg.Pool({
    ...connectionOptions(options.url, "pressrun"),
    max: options.poolMax,
    query_timeout: STATEMENT_MS,
    maxLifetimeSeconds: LIFETIME_S,
    onConnect: prepareSession,
  });
  // Emitted when the server ends an idle connection; without a listener Node would exit. While the pool closes, the server may
  // still end a connection before we do, which is no error.
  let isClosed = false;
  pool.on("error", (error) => {
    if (!isClosed) options.onError(error);
  });
  const lend = lender(pool, isReadOnly);
  return {
    url: options.url,
    pool,
    executor: executorOn({
      query: (text, values) =>
        lend((client, giveUp) =>
          client.query(text, values).catch((error: Error) => {
            giveUp(error);
            throw error;
          }),
        ),
    }),
    transaction: (work) => inTransaction(lend, "begin", work),
    keyedTransaction: (work) => inTransaction(lend, BEGIN_KEYED, work),
    fleetingTransaction: (work) => inTransaction(lend, `${BEGIN_KEYED}; set local synchronous_commit = off`, work),
    close() {
      isClosed = true;
      return unlessHanging(pool.end());
    },
  };
}

/** A goodbye takes a millisecond; a server that hangs without closing answers none. */
const GOODBYE_MS = 1_000;

/** Waits for connections to end, but not for those that hang: the process takes their sockets with it when it exits. */
export async function unlessHanging(ending: Promise<unknown>): Promise<void> {
  await Promise.race([ending, delay(GOODBYE_MS, undefined, { ref: false })]);
}

/**
 * The planner's statistics can be from before a batch was loaded. By those it would read all of the batch's rows to change ten
 * of them: a settle took 1.09 ms on a batch of 3,000 images, and more the larger the batch.
 */
export const BEGIN_KEYED = ["seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin"].reduce(
  (sql, what) => `${sql}; set local enable_${what} = off`,
  "begin",
);

async function inTransaction<T>(lend: Lend, begin: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  return lend(async (client, giveUp) => {
    try {
      await client.query(begin);
      const result = await work(transactionOn(client));
      await client.query("commit");
      return result;
    } catch (error) {
      // After a statement that hangs, a rollback would hang as long again; to end the connection rolls back too.
      if (isReadTimeout(error)) giveUp(error);
      else await client.query("rollback").catch(giveUp);
      if (isSessionLost(error)) error.message += `; perhaps ${POOLER_IN_THE_WAY}`;
      throw error;
    }
  });
}

/** What a pooler before the database that is not in session mode does, and what to do. */
export const POOLER_IN_THE_WAY =
  "the pooler before the database gives one connection to several clients (pool_mode = transaction or statement), which prepared statements, notifications and locks do not survive. Set pool_mode = session, or let DATABASE_URL name the server itself.";

/** Whether the server's session is another than the one in which a statement of ours was prepared (26000), or has another's (42P05). */
function isSessionLost(error: unknown): error is Error {
  return error instanceof Error && ["26000", "42P05"].includes(errorCode(error));
}

/** Whether a change was refused since its session can only read: its server is a standby by now, or was closed for writing. */
function isReadOnly(error: unknown): boolean {
  return errorCode(error) === "25006";
}

/** Whether STATEMENT_MS ran out, which pg reports without a code. The connection is then still busy with the statement. */
function isReadTimeout(error: unknown): error is Error {
  return error instanceof Error && error.message === "Query read timeout";
}

/** For a client whose transaction the caller opens and ends. */
export function transactionOn(client: pg.ClientBase): Tx {
  return { client, executor: executorOn(client) };
}

type Queryable = { query(text: string, values?: unknown[]): Promise<pg.QueryResult> };

function executorOn(target: Queryable): Executor {
  return {
    async executeSql(text, values) {
      const result: pg.QueryResult | pg.QueryResult[] = await target.query(text, values);
      // The queue's own migrations send several statements at once, which pg answers with a list.
      return Array.isArray(result) ? { rows: result.flatMap((part) => part.rows) } : { rows: result.rows };
    },
  };
}

/**
 * Classes and codes of SQLSTATE. The server is away: 08 connection, 53 resources, 57P shutdown and termination. Or the fault passes by
 * itself: 40 deadlock and serialization, 55P03 and 57014 timeouts, 25006 and 25P a transaction that a failover made read-only or ended.
 */
const AWAY_STATES = /^(08|53|57P|40|55P03|57014|25006|25P)/;
/** 28 what pg_hba.conf, the role or its password forbid, 3D000 no such database: they are being changed, or a backup is coming back. */
const CLOSED_STATES = /^(28|3D000)/;
/** 22 data exceptions, 23 constraints: the same values would be refused again. */
const REFUSED_STATES = /^(22|23)/;
/** 42 names that the database does not have, or means otherwise. */
const UNKNOWN_STATES = /^42/;
const AWAY_ERRNOS = new Set([
  "ENETUNREACH",
  "ENETDOWN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  // No further connection can be opened on our side, for want of files or of ports, which passes as well.
  "EMFILE",
  "ENFILE",
  "EADDRNOTAVAIL",
]);
const AWAY_WORDS =
  /connection terminated|timeout exceeded when trying to connect|query read timeout|not queryable|server closed the connection|cannot use a pool after/i;

/** Whether the database refused the values themselves. */
export function isValueRefused(error: unknown): boolean {
  return REFUSED_STATES.test(errorCode(error));
}

/** Whether the database did not understand a statement: its tables may no longer be those of this version. */
export function isStatementUnknown(error: unknown): boolean {
  return UNKNOWN_STATES.test(errorCode(error));
}

/** Whether an error means that the database is away for now, rather than that we asked something wrong. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = errorCode(error);
  if (AWAY_STATES.test(code) || AWAY_ERRNOS.has(code) || AWAY_WORDS.test(error.message) || isDatabaseClosed(error)) return true;
  return error.cause !== undefined && isDatabaseAway(error.cause);
}

/** Whether the server lets us no longer in: to a process that runs the database is away, to one that starts DATABASE_URL is wrong. */
export function isDatabaseClosed(error: unknown): boolean {
  return CLOSED_STATES.test(errorCode(error));
}
