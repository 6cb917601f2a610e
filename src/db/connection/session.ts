import type pg from "pg";
import { errorCode } from "../../domain/error-code.ts";

/**
 * What our statements rely on, whatever was set for the role, the database or the server; pg_dump does the same. `search_path` and
 * `default_transaction_read_only` stay as they are: where the tables lie, and whether anything may be written, is the operator's to say.
 */
const SETTINGS = {
  // pg reads times in this style only, and takes those in another for null.
  DateStyle: "ISO",
  // Without it pg-boss cannot make its tables.
  standard_conforming_strings: "on",
  // After a wait for a lock our statements look at the row as it is then. The others give an error instead.
  default_transaction_isolation: "read committed",
  default_transaction_deferrable: "off",
  // Our statements are short: compiling one costs more than running it. A server compiles by default what the planner takes for expensive,
  // and to it a plan is that wherever it uses what BEGIN_KEYED turns off: a page of 100 images took 640 ms.
  jit: "off",
  // A load of millions of rows takes minutes, a migration waits for its lock, and who listens is idle. What may not take so long has a
  // deadline of ours.
  statement_timeout: "0",
  transaction_timeout: "0",
  lock_timeout: "0",
  // A process that is frozen in the middle of a transaction (docker pause, a debugger) leaves a batch locked, and its machine still answers
  // for it. Ours ask one thing after the other.
  idle_in_transaction_session_timeout: "10s",
  idle_session_timeout: "0",
  // A machine that vanishes in the middle of a transaction leaves a batch locked for all others, until the server looks after it: by itself
  // after two hours, or a quarter of one where an answer was on its way.
  tcp_keepalives_idle: "10",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "4",
  tcp_user_timeout: "30s",
};

/**
 * A statement whose client has gone waits on for its lock, and keeps what its transaction has locked before. Only a server on Linux is sure
 * to take this; one that cannot look after its client so refuses the whole statement.
 */
const LINUX_SETTINGS = { client_connection_check_interval: "10s" };

/** Some are unknown to an older server. */
const SET = `select set_config(s.key, s.value, false) from (
    select * from json_each_text($1) union all select * from json_each_text($2) where version() like '%linux%'
  ) s where current_setting(s.key, true) is not null`;

/** This statement itself is held to the statement_timeout that it takes off: of 20 ms a busy server may need more. */
const TRIES_MAX = 5;

export async function prepareSession(client: Pick<pg.ClientBase, "query">): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await client.query(SET, [JSON.stringify(SETTINGS), JSON.stringify(LINUX_SETTINGS)]);
      return;
    } catch (error) {
      if (tries === TRIES_MAX || !isTimedOut(error)) throw error;
    }
  }
}

function isTimedOut(error: unknown): boolean {
  return errorCode(error) === "57014";
}

/** Connects a client that is in no pool. Where that fails it is ended. */
export async function openSession(client: pg.Client): Promise<void> {
  try {
    await client.connect();
    await prepareSession(client);
  } catch (error) {
    await client.end().catch(() => {});
    if (isSignedByStranger(error)) error.message += SAY_AUTHORITY;
    throw error;
  }
}

/** What OpenSSL says of a certificate whose authority it does not know, by Node's names. */
const UNKNOWN_AUTHORITY = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);
const SAY_AUTHORITY =
  ". Name the file with the certificate of the authority that signed the server's: sslmode=verify-full&sslrootcert=/path/to/ca.pem in DATABASE_URL.";

function isSignedByStranger(error: unknown): error is Error {
  return UNKNOWN_AUTHORITY.has(errorCode(error));
}
