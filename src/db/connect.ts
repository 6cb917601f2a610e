import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";

/** Runs one statement; what the queue needs to take part in a transaction of ours, or to use our pool. */
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
  /** The same for statements that find every row by its key, whatever the planner would rather do. */
  keyedTransaction: Transaction;
  /**
   * The same for what may be forgotten in a crash of the server, such as a claim, which is then handed out again: its
   * commit does not wait for the disk, some 30 ms while outputs are being written.
   */
  fleetingTransaction: Transaction;
  close(): Promise<void>;
};

export const DEFAULT_TENANT_ID = "00000000-0000-7000-8000-000000000000";

/** Waiting longer for a connection means that the database is away or swamped: better an honest 503. */
const CONNECT_MS = 5_000;
/** A statement of ours takes milliseconds; one that hangs on a half-dead connection must not hang its caller. */
const STATEMENT_MS = 60_000;

/** A server that is gone without a word is noticed by this; the system's own first look comes after two hours. */
const KEEP_ALIVE_MS = 10_000;

/** What each of our connections is opened with, in a pool or alone; pg_stat_activity shows its name. */
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
  });
  // An idle connection that the server ends emits here; without a listener Node would exit. After the pool's end the
  // server may be quicker to close a connection than we are.
  let isClosed = false;
  pool.on("error", (error) => {
    if (!isClosed) options.onError(error);
  });
  return {
    url: options.url,
    pool,
    executor: executorOn(pool),
    transaction: (work) => inTransaction(pool, "begin", work),
    keyedTransaction: (work) => inTransaction(pool, BEGIN_KEYED, work),
    fleetingTransaction: (work) => inTransaction(pool, `${BEGIN_KEYED}; set local synchronous_commit = off`, work),
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
 * While a batch is being loaded, the planner's statistics are from before it, and it would read all of a batch's
 * rows to change ten of them: a settle took 1.09 ms on a batch of 3,000 images and ever more on larger ones.
 */
export const BEGIN_KEYED = ["seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin"].reduce(
  (sql, what) => `${sql}; set local enable_${what} = off`,
  "begin",
);

async function inTransaction<T>(pool: pg.Pool, begin: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  // The pool takes its listener off a client in use; a socket that dies between statements would end the process.
  let broken: Error | undefined;
  const onError = (error: Error) => (broken = error);
  client.on("error", onError);
  try {
    await client.query(begin);
    const result = await work(transactionOn(client));
    await client.query("commit");
    return result;
  } catch (error) {
    // Behind a statement that hangs, a rollback would hang as long again; the connection's end is one too.
    if (isReadTimeout(error)) broken = error;
    else await client.query("rollback").catch((failure: Error) => (broken = failure));
    throw error;
  } finally {
    client.off("error", onError);
    client.release(broken);
  }
}

/** Ours, by STATEMENT_MS; pg gives it no code. The statement stays the one that its connection is busy with. */
function isReadTimeout(error: unknown): error is Error {
  return error instanceof Error && error.message === "Query read timeout";
}

/** The same ways of speaking for a client whose transaction somebody else opened. */
export function transactionOn(client: pg.ClientBase): Tx {
  return { client, executor: executorOn(client) };
}

function executorOn(target: pg.Pool | pg.ClientBase): Executor {
  return {
    async executeSql(text, values) {
      const result: pg.QueryResult | pg.QueryResult[] = await target.query(text, values);
      // The queue's own migrations send several statements at once, which pg answers with a list.
      return Array.isArray(result) ? { rows: result.flatMap((part) => part.rows) } : { rows: result.rows };
    },
  };
}

/**
 * SQLSTATE classes: 08 connection, 53 resources, 57P shutdown and termination; and what passes by itself: 40 deadlock and
 * serialization, 55P03 and 57014 timeouts, 25006 and 25P a failover's read-only or ended transaction.
 */
const AWAY_STATES = /^(08|53|57P|40|55P03|57014|25006|25P)/;
/** 22 data exceptions, 23 constraints: the same values would be refused again. */
const REFUSED_STATES = /^(22|23)/;
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
]);
const AWAY_WORDS =
  /connection terminated|timeout exceeded when trying to connect|query read timeout|not queryable|server closed the connection|cannot use a pool after/i;

/** Whether the database refused the values themselves. */
export function isValueRefused(error: unknown): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && REFUSED_STATES.test(error.code);
}

/** Whether an error means that the database is away for now, rather than that we asked something wrong. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (AWAY_STATES.test(code) || AWAY_ERRNOS.has(code) || AWAY_WORDS.test(error.message)) return true;
  return error.cause !== undefined && isDatabaseAway(error.cause);
}
