import type { Executor } from "./connect.ts";

export type StoredOutput = { batchId: string; ordinal: number; fileName: string; format: string; bytes: number };

/** The output behind a URL. The token is the batch's secret; the name is looked up and never used as a path as it came. */
export async function findOutput(db: Executor, token: string, fileName: string): Promise<StoredOutput | null> {
  const { rows } = await db.executeSql(
    `select o.batch_id as "batchId", o.ordinal, o.file_name as "fileName", o.format, o.bytes::float8 as bytes
     from batch b join output o on o.batch_id = b.batch_id where b.token = $1 and o.file_name = $2`,
    [token, fileName],
  );
  return (rows[0] as StoredOutput | undefined) ?? null;
}
