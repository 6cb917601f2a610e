import type { OutputFormat } from "../domain/image/recipe.ts";
import { checkIsThere } from "./batches.ts";
import type { Executor } from "./connection/connect.ts";

type OutputRow = { batchId: string; ordinal: number; fileName: string; format: OutputFormat; bytes: number };

/** The output behind a URL. Who knows the token may read the batch's outputs. The name is looked up, and never becomes a path as it came. */
export async function findOutput(db: Executor, token: string, fileName: string): Promise<OutputRow | null> {
  const { rows } = await db.executeSql(
    `select o.batch_id as "batchId", o.ordinal, o.file_name as "fileName", o.format, o.bytes::float8 as bytes
     from batch b join output o on o.batch_id = b.batch_id where b.token = $1 and o.file_name = $2`,
    [token, fileName],
  );
  return (rows[0] as OutputRow | undefined) ?? null;
}

const PAGE_OUTPUTS = 1_000;

/** All outputs of a batch in the order of the file. */
export async function* listOutputs(db: Executor, batchId: string): AsyncGenerator<{ ordinal: number; fileName: string; bytes: number }> {
  for (let after = { ordinal: -1, name: "" }; ;) {
    const { rows } = await db.executeSql(
      `select ordinal, name, file_name as "fileName", bytes::float8 as bytes from output where batch_id = $1 and (ordinal, name) > ($2, $3) order by ordinal, name limit ${PAGE_OUTPUTS}`,
      [batchId, after.ordinal, after.name],
    );
    const page = rows as { ordinal: number; name: string; fileName: string; bytes: number }[];
    yield* page;
    const last = page.at(-1);
    if (!last || page.length < PAGE_OUTPUTS) return checkIsThere(db, batchId);
    after = last;
  }
}

/** The names among these that no output of the batch has. */
export async function listUnknownOutputs(db: Executor, batchId: string, fileNames: readonly string[]): Promise<string[]> {
  const { rows } = await db.executeSql(
    "select asked from unnest($2::text[]) as asked where not exists (select 1 from output where batch_id = $1 and file_name = asked)",
    [batchId, fileNames],
  );
  return rows.map((row) => String(row["asked"]));
}
