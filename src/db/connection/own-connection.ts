import pg from "pg";
import { BEGIN_KEYED, connectionOptions, transactionOn, type Executor, type Transaction } from "./connect.ts";
import { openSession } from "./session.ts";

/** Opens a connection outside the pool, without the deadline that statements have there: loading millions of rows takes minutes. */
export async function withOwnConnection<T>(url: string, use: (transaction: Transaction, executor: Executor) => Promise<T>): Promise<T> {
  const client = new pg.Client(connectionOptions(url, "pressrun load"));
  client.on("error", () => {});
  await openSession(client);
  const tx = transactionOn(client);
  try {
    return await use(async (work) => {
      await client.query(BEGIN_KEYED);
      const result = await work(tx);
      await client.query("commit");
      return result;
    }, tx.executor);
  } finally {
    // Ends an open transaction as well, so that nothing of a failed load stays.
    await client.end();
  }
}
