import type pg from "pg";

const TABLES = `select table_name as "table" from information_schema.columns join information_schema.tables using (table_schema, table_name)
  where table_schema = 'public' and column_name = 'batch_id' and table_type = 'BASE TABLE' order by 1`;

/** How many rows each table that knows batches has of one; those that have none are missing. */
export async function rowsOfBatch(client: pg.Client, batchId: string): Promise<{ table: string; rows: number }[]> {
  const { rows: tables } = await client.query<{ table: string }>(TABLES);
  const found = [];
  for (const { table } of tables) {
    const { rows } = await client.query<{ rows: number }>(`select count(*)::int as rows from ${table} where batch_id = $1`, [batchId]);
    found.push({ table, rows: rows[0]?.rows ?? 0 });
  }
  return found.filter(({ rows }) => rows > 0);
}
